import type { tf } from '../../tf.js';
import { type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';
import { ort, scalar } from '../sessions.js';

interface AdamWAttrs {
  beta1: number;
  beta2: number;
  eps: number;
  /** lr / (1 - beta1 ** step) */
  stepSize: number;
  /** sqrt(1 - beta2 ** step) */
  rootCorrection: number;
  /** 1 - lr * weightDecay */
  shrink: number;
}

/** Elements worked on at a time, so that what lies between the operations stays in the cache. */
const CHUNK = 1 << 16;

const UPDATE = (): GraphSpec => ({
  inputs: Object.fromEntries(
    ['p', 'g', 'm', 'v', 'b1', 'c1', 'b2', 'c2', 'root', 'eps', 'step', 'shrink'].map((name) => [
      name,
      'float32',
    ]),
  ),
  outputs: { p2: 'float32', m2: 'float32', v2: 'float32' },
  nodes: [
    node('Mul', ['m', 'b1'], 'm_old'),
    node('Mul', ['g', 'c1'], 'm_new'),
    node('Add', ['m_old', 'm_new'], 'm2'),
    node('Mul', ['v', 'b2'], 'v_old'),
    node('Mul', ['g', 'g'], 'gg'),
    node('Mul', ['gg', 'c2'], 'v_new'),
    node('Add', ['v_old', 'v_new'], 'v2'),
    node('Sqrt', 'v2', 'sqrt'),
    node('Mul', ['sqrt', 'root'], 'scaled'),
    node('Add', ['scaled', 'eps'], 'denominator'),
    node('Div', ['m2', 'denominator'], 'ratio'),
    node('Mul', ['ratio', 'step'], 'change'),
    node('Mul', ['p', 'shrink'], 'p_old'),
    node('Sub', ['p_old', 'change'], 'p2'),
  ],
});

export function registerAdamW(): void {
  kernel<AdamWAttrs>('LavisAdamW', ({ inputs, attrs, backend }) => {
    const [p, m, v] = [inputs.param, inputs.expAvg, inputs.expAvgSq].map((variable) =>
      backend.exclusiveValues(variable as tf.Variable),
    );
    const g = backend.values(inputs.grad) as Float32Array;
    const scalars = {
      b1: scalar(attrs.beta1),
      c1: scalar(1 - attrs.beta1),
      b2: scalar(attrs.beta2),
      c2: scalar(1 - attrs.beta2),
      root: scalar(1 / attrs.rootCorrection),
      eps: scalar(attrs.eps),
      step: scalar(attrs.stepSize),
      shrink: scalar(attrs.shrink),
    };
    for (let start = 0; start < p.length; start += CHUNK) {
      const end = Math.min(start + CHUNK, p.length);
      const part = (array: Float32Array) => ort(array.subarray(start, end), [end - start]);
      const [p2, m2, v2] = [part(p), part(m), part(v)];
      backend.sessions.run('AdamW', UPDATE, { p: p2, g: part(g), m: m2, v: v2, ...scalars }, { p2, m2, v2 });
    }
    return [];
  });
}
