import { type CheckpointValue, dictMember, PyFloat } from '../checkpoint/index.js';
import { CheckpointError } from '../common/errors.js';

export interface GradScalerOptions {
  /** False where the engine computes in float32: nothing is scaled, and a state that was loaded is kept. */
  enabled?: boolean;
  initScale?: number;
  growthFactor?: number;
  backoffFactor?: number;
  /** Updates without overflow before the scale grows. */
  growthInterval?: number;
}

/** What checkpoints keep under 'scaler', as torch.cuda.amp.GradScaler.state_dict() of PyTorch 1.13. */
export interface GradScalerState {
  scale: number;
  growth_factor: number;
  backoff_factor: number;
  growth_interval: number;
  _growth_tracker: number;
}

/**
 * Keeps float16 gradients from vanishing: losses are multiplied by a scale, gradients divided by it before
 * the update; an update whose gradients overflow is left out and the scale falls, and it grows again after
 * many that do not. As PyTorch's GradScaler.
 */
export class GradScaler {
  readonly enabled: boolean;
  #state: GradScalerState;

  constructor({
    enabled = true,
    initScale = 65536,
    growthFactor = 2,
    backoffFactor = 0.5,
    growthInterval = 2000,
  }: GradScalerOptions = {}) {
    this.enabled = enabled;
    this.#state = {
      scale: initScale,
      growth_factor: growthFactor,
      backoff_factor: backoffFactor,
      growth_interval: growthInterval,
      _growth_tracker: 0,
    };
  }

  /** For another rank's `loadStateDict`. */
  get state(): Readonly<GradScalerState> {
    return this.#state;
  }

  /** What a loss is multiplied by; 1 where disabled. */
  get scale(): number {
    return this.enabled ? this.#state.scale : 1;
  }

  /** Takes note of an update. @param overflow a gradient was infinite or NaN, and the update was left out */
  update(overflow: boolean): void {
    if (!this.enabled) return;
    const state = this.#state;
    if (overflow) {
      state.scale *= state.backoff_factor;
      state._growth_tracker = 0;
    } else if (++state._growth_tracker === state.growth_interval) {
      state.scale *= state.growth_factor;
      state._growth_tracker = 0;
    }
  }

  stateDict(): CheckpointValue {
    const { scale, growth_factor, backoff_factor, growth_interval, _growth_tracker } = this.#state;
    return {
      scale: new PyFloat(scale),
      growth_factor: new PyFloat(growth_factor),
      backoff_factor: new PyFloat(backoff_factor),
      growth_interval,
      _growth_tracker,
    };
  }

  /**
   * Continues from a state that this class or PyTorch wrote; null and {} (a run without mixed precision)
   * change nothing.
   * @throws CheckpointError where a number is missing or none
   */
  loadStateDict(saved: unknown): void {
    const empty = saved instanceof Map ? saved.size === 0 : Object.keys(saved ?? {}).length === 0;
    if (empty) return;
    const number = (key: keyof GradScalerState): number => {
      const value = dictMember(saved, key);
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      throw new CheckpointError('the scaler state is none', {
        where: `scaler.${key}`,
        found: String(value),
        allowed: 'a number',
      });
    };
    this.#state = {
      scale: number('scale'),
      growth_factor: number('growth_factor'),
      backoff_factor: number('backoff_factor'),
      growth_interval: number('growth_interval'),
      _growth_tracker: number('_growth_tracker'),
    };
  }
}
