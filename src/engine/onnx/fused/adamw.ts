import type { tf } from '../../tf.js';
import type { OnnxBackend } from '../backend.js';
import { type GraphSpec, node } from '../messages.js';
import { kernel } from '../override.js';
import { type OrtValues, ort, scalar } from '../sessions.js';

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

/** The values that one update reads and writes. */
interface State {
  p: Float32Array;
  g: Float32Array;
  m: Float32Array;
  v: Float32Array;
}

/** From so many threads on, a graph of small steps in parallel beats one loop that passes over the memory once. */
const PARALLEL_FROM = 4;

export function registerAdamW(): void {
  kernel<AdamWAttrs>('LavisAdamW', ({ inputs, attrs, backend }) => {
    const [p, m, v] = [inputs.param, inputs.expAvg, inputs.expAvgSq].map((variable) =>
      backend.exclusiveValues(variable as tf.Variable),
    );
    const g = backend.values(inputs.grad) as Float32Array;
    if (backend.sessions.threads < PARALLEL_FROM) updateInLoop({ p, g, m, v }, attrs);
    else updateInGraph({ p, g, m, v }, attrs, backend);
    return [];
  });
}

function updateInLoop({ p, g, m, v }: State, attrs: AdamWAttrs): void {
  const { beta1, beta2, eps, stepSize, shrink } = attrs;
  const [rest1, rest2, root] = [1 - beta1, 1 - beta2, 1 / attrs.rootCorrection];
  for (let i = 0; i < p.length; i++) {
    const grad = g[i];
    const mean = beta1 * m[i] + rest1 * grad;
    const square = beta2 * v[i] + rest2 * grad * grad;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * shrink - (stepSize * mean) / (Math.sqrt(square) * root + eps);
  }
}

const SCALARS = ['beta1', 'rest1', 'beta2', 'rest2', 'root', 'eps', 'step', 'shrink'];

const UPDATE = (): GraphSpec => ({
  inputs: Object.fromEntries(['p', 'g', 'm', 'v', ...SCALARS].map((name) => [name, 'float32'])),
  outputs: { p2: 'float32', m2: 'float32', v2: 'float32' },
  nodes: [
    node('Mul', ['m', 'beta1'], 'm_old'),
    node('Mul', ['g', 'rest1'], 'm_new'),
    node('Add', ['m_old', 'm_new'], 'm2'),
    node('Mul', ['v', 'beta2'], 'v_old'),
    node('Mul', ['g', 'g'], 'squared'),
    node('Mul', ['squared', 'rest2'], 'v_new'),
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

/** Works on parts, so that what lies between the operations stays in the threads' caches. */
function updateInGraph({ p, g, m, v }: State, attrs: AdamWAttrs, backend: OnnxBackend): void {
  const scalars: OrtValues = {
    beta1: scalar(attrs.beta1),
    rest1: scalar(1 - attrs.beta1),
    beta2: scalar(attrs.beta2),
    rest2: scalar(1 - attrs.beta2),
    root: scalar(1 / attrs.rootCorrection),
    eps: scalar(attrs.eps),
    step: scalar(attrs.stepSize),
    shrink: scalar(attrs.shrink),
  };
  const chunk = backend.sessions.threads << 15;
  for (let start = 0; start < p.length; start += chunk) {
    const end = Math.min(start + chunk, p.length);
    const part = (array: Float32Array) => ort(array.subarray(start, end), [end - start]);
    const [p2, m2, v2] = [part(p), part(m), part(v)];
    backend.sessions.run('AdamW', UPDATE, { p: p2, g: part(g), m: m2, v: v2, ...scalars }, { p2, m2, v2 });
  }
}
