import type { AdamWAttrs } from '../../fused/adamw.js';
import type { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { loadCApi } from '../c_api.js';
import { kernel } from '../override.js';
import { AdamWHelpers } from './adamw_helpers.js';
import { type AdamWArrays, updateInLoop } from './adamw_loop.js';

/** Waking a helper costs as much as updating a tenth of this many values. */
const SHARED_FROM = 1 << 17;

/** The helpers of each backend, started with its first large parameter. */
const helpersOf = new WeakMap<OnnxBackend, { threads: number; helpers: AdamWHelpers }>();

export function registerAdamW(): void {
  kernel<AdamWAttrs>('LavisAdamW', ({ inputs, attrs, backend }) => {
    const [p, m, v] = [inputs.param, inputs.expAvg, inputs.expAvgSq].map((variable) =>
      backend.exclusiveValues(variable as tf.Variable),
    );
    const arrays: AdamWArrays = [p, backend.values(inputs.grad) as Float32Array, m, v];
    if (p.length < SHARED_FROM || backend.sessions.threads === 1) updateInLoop(arrays, attrs);
    else updateTogether(arrays, attrs, helpersFor(backend));
    return [];
  });
}

function helpersFor(backend: OnnxBackend): AdamWHelpers {
  const { threads } = backend.sessions;
  let entry = helpersOf.get(backend);
  // Idle helpers cost nothing: those of an earlier number of threads stay.
  if (!entry || entry.threads < threads) {
    entry = { threads, helpers: new AdamWHelpers(threads) };
    helpersOf.set(backend, entry);
  }
  return entry.helpers;
}

/** Each thread takes an equal part. */
function updateTogether(arrays: AdamWArrays, attrs: AdamWAttrs, helpers: AdamWHelpers): void {
  const threads = helpers.ready + 1;
  const { length } = arrays[0];
  const size = Math.ceil(length / threads);
  const part = (i: number) =>
    arrays.map((array) => array.subarray(i * size, Math.min((i + 1) * size, length))) as AdamWArrays;
  const others = Array.from({ length: threads - 1 }, (_, i) => part(i + 1));
  helpers.run(others, attrs, loadCApi().addressOf, () => updateInLoop(part(0), attrs));
}
