import { formatBytes } from '../common/words.js';
import type { Config } from '../config/index.js';
import type { ForwardPasses, Model } from '../models/index.js';
import { type RunSettings, runSettings } from '../runners/index.js';

/** What a training step keeps, in bytes. */
export interface MemoryEstimate {
  weights: number;
  gradients: number;
  moments: number;
  /** What the forward pass keeps for the backward pass, of a batch; where the model tells what passes through it. */
  activations?: number;
  total: number;
}

/** Numbers that a block keeps for each token and each number of its width. */
const KEPT_A_TOKEN = 17;

/** float32 throughout; activations after a rule of thumb that a dry run replaces by a measurement. */
export function estimateMemory(model: Model, settings: RunSettings): MemoryEstimate | undefined {
  const count = (tensors: Iterable<{ size: number }>) =>
    [...new Set(tensors)].reduce((sum, { size }) => sum + size, 0);
  const weights = 4 * count(model.stateDict().values());
  const trained = 4 * count(model.namedParameters().values());
  const gradients = settings.accumGradIters > 1 ? 2 * trained : trained;
  const passes = model.passes?.(settings.batchSizeTrain);
  const activations = passes && activationsOf(passes);
  const total = weights + gradients + 2 * trained + (activations ?? 0);
  return { weights, gradients, moments: 2 * trained, activations, total };
}

function activationsOf({ visualEncoder, med, images, texts }: ForwardPasses): number {
  const { imageSize, patchSize, width, depth, heads, recomputedBlocks } = visualEncoder.config;
  const tokens = (imageSize / patchSize) ** 2 + 1;
  const whole = KEPT_A_TOKEN * tokens * width + heads * tokens ** 2;
  // Below the first trained block nothing is kept.
  const below = visualEncoder.blocks.findIndex((block) => block.namedParameters().size > 0);
  const kept = visualEncoder.isStill ? 0 : depth - (startsFrozen(visualEncoder) ? Math.max(0, below) : 0);
  const recomputed = Math.min(kept, recomputedBlocks);
  const image = (kept - recomputed) * whole + recomputed * tokens * width + (recomputed ? whole : 0);
  const { hiddenSize, layers, vocabSize } = med;
  const ofTexts = texts.map(({ rows, words, besides, predicts }) => {
    const ofToken = layers * ((1 + besides) * KEPT_A_TOKEN * hiddenSize + besides * med.heads * tokens);
    const crossKeys = besides * layers * 2 * tokens * hiddenSize;
    return rows * (words * (ofToken + (predicts ? 3 * vocabSize : 0)) + crossKeys);
  });
  return 4 * ofTexts.reduce((sum, text) => sum + text, images * image);
}

const startsFrozen = ({ clsToken, posEmbed, patchEmbed }: ForwardPasses['visualEncoder']): boolean =>
  !clsToken.trainable && !posEmbed.trainable && patchEmbed.namedParameters().size === 0;

/** What to change where memory is short; nothing where it is not. */
export function adviceOf(config: Config, needed: number, limit: number): string[] {
  if (needed < 0.85 * limit) return [];
  const { batchSizeTrain: batch, accumGradIters: accumulated } = runSettings(config);
  const advice: string[] = [];
  if (batch > 1) {
    const half = Math.floor(batch / 2);
    const steps = Math.ceil((batch * accumulated) / half);
    advice.push(
      `--options run.batch_size_train=${half} run.accum_grad_iters=${steps}: half the activations, the same update`,
    );
  }
  if (config.model.vit_grad_ckpt !== true) {
    const depth = { base: 12, large: 24 }[String(config.model.vit_type)] ?? config.model.vit_depth;
    advice.push(
      `--options model.vit_grad_ckpt=True model.vit_ckpt_layer=${depth}: a third more time, far fewer activations`,
    );
  }
  if (advice.length === 0)
    advice.push(`a smaller model.image_size: ${formatBytes(needed)} is the least here`);
  return advice;
}
