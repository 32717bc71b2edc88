import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tf, valueAndGrads } from '#src/engine/index.js';
import { backendsHere, on } from './engines.js';

/** Inputs as plain data, so that each backend makes tensors of its own. */
export interface Input {
  shape: number[];
  dtype: 'float32' | 'int32' | 'bool';
  values: number[];
}

/** Deterministic numbers in (-scale, scale). */
export function floats(shape: number[], { scale = 2, seed = 1, above }: Partial<Fill> = {}): Input {
  const values = Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => {
    const value = scale * Math.sin((i + 1) * 12.9898 + seed * 78.233);
    return Math.fround(above === undefined ? value : above + Math.abs(value));
  });
  return { shape, dtype: 'float32', values };
}

interface Fill {
  scale: number;
  seed: number;
  /** All numbers are larger. */
  above: number;
}

export function ints(shape: number[], below = 10, seed = 1): Input {
  const values = Array.from(
    { length: tf.util.sizeFromShape(shape) },
    (_, i) => (i * 7919 + seed * 31) % below,
  );
  return { shape, dtype: 'int32', values };
}

export const bools = (shape: number[], seed = 1): Input => ({ ...ints(shape, 2, seed), dtype: 'bool' });

export interface Case {
  name: string;
  f: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
  inputs: Input[];
  /** False where an operation has no gradient. */
  gradient?: boolean;
  /** What every engine says who refuses the inputs; a case without it must be computed. */
  refused?: RegExp;
  /** Relative to the largest value. */
  tolerance?: number;
}

interface Outcome {
  error?: string;
  outputs: Input[];
  grads: (Input | undefined)[];
}

/** What TensorFlow.js's own kernels do otherwise than its cpu backend; no model asks for it. */
const DIFFERENT: Record<string, [names: RegExp, how: string][]> = {
  webgpu: [
    [/^(sin|cos)\b/, 'WGSL lets sine and cosine be off by 2 ** -11'],
    [/^sigmoid of odd/, 'sigmoid(NaN) is 0'],
    [/^arg(Max|Min)\b.*(float32\[5\]|int32\[)/, 'argMax takes no int32, and no small vector'],
    [/^prod over 0 .* int32\[200,300\]/, 'products of int32 that overflow end at the largest'],
    [/^gather outside/, 'indices outside are not refused on the GPU'],
  ],
};

/** Tests every case, value and gradient, on engines of this machine against TensorFlow.js's cpu backend. */
export async function conform(cases: Case[], backends?: readonly string[]): Promise<void> {
  for (const backend of backends ?? (await backendsHere())) {
    for (const one of cases) {
      const differs = DIFFERENT[backend]?.find(([names]) => names.test(one.name))?.[1];
      test(`${backend}: ${one.name}`, { skip: differs }, async () => {
        const expected = await on('cpu', () => outcome(one));
        const actual = await on(backend, () => outcome(one));
        if (one.refused) {
          for (const { error } of [expected, actual]) assert.match(error ?? 'it was computed', one.refused);
          return;
        }
        assert.equal(expected.error, undefined);
        assert.equal(actual.error, undefined);
        const tolerance = one.tolerance ?? 2e-6;
        assert.ok(expected.outputs.length > 0, 'there is no output to compare');
        assert.equal(actual.outputs.length, expected.outputs.length);
        assert.equal(actual.grads.length, expected.grads.length);
        const leaves = one.inputs.filter(({ dtype }) => dtype === 'float32').length;
        assert.equal(expected.grads.length, one.gradient === false ? 0 : leaves);
        expected.outputs.forEach((output, i) => {
          same(actual.outputs[i], output, tolerance, `output ${i}`);
        });
        expected.grads.forEach((grad, i) => {
          assert.ok(grad, `the reference has no gradient ${i}`);
          assert.ok(actual.grads[i], `there is no gradient ${i}`);
          same(actual.grads[i], grad, 4 * tolerance, `gradient ${i}`);
        });
      });
    }
  }
}

function same(actual: Input, expected: Input, tolerance: number, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, `${what}: shape`);
  assert.equal(actual.dtype, expected.dtype, `${what}: dtype`);
  let largest = 1e-3;
  for (const value of expected.values)
    if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  assert.equal(actual.values.length, expected.values.length, `${what}: size`);
  expected.values.forEach((value, i) => {
    const found = actual.values[i];
    const close =
      Object.is(found, value) || found === value || Math.abs(found - value) <= tolerance * largest;
    assert.ok(close, `${what}[${i}] is ${found}, not ${value}`);
  });
}

async function outcome({ f, inputs, gradient = true }: Case): Promise<Outcome> {
  const tensors = inputs.map((input) => makeTensor(input));
  const leaves = tensors.filter((x) => x.dtype === 'float32');
  const made: tf.Tensor[] = [];
  try {
    const outputs = [tf.tidy(() => f(...tensors))].flat();
    made.push(...outputs);
    const plain = await Promise.all(outputs.map(plainData));
    if (!gradient || leaves.length === 0) return { outputs: plain, grads: [] };
    const variables = new Map(leaves.map((x, i) => [String(i), tf.variable(x)]));
    const { value, grads } = valueAndGrads(() => {
      let next = 0;
      const replaced = tensors.map((x) => (x.dtype === 'float32' ? variables.get(String(next++))! : x));
      const results = [f(...replaced)].flat().filter((y) => y.dtype === 'float32');
      return tf.addN(results.map(weighted)) as tf.Scalar;
    }, variables);
    made.push(value, ...grads.values(), ...variables.values());
    const plainGrads = await Promise.all(
      leaves.map((_, i) => {
        const grad = grads.get(String(i));
        return grad && plainData(grad);
      }),
    );
    return { outputs: plain, grads: plainGrads };
  } catch (error) {
    return { error: String(error), outputs: [], grads: [] };
  } finally {
    tf.dispose([...tensors, ...made]);
  }
}

/** A sum that gives each element a gradient of its own. */
function weighted(y: tf.Tensor, seed: number): tf.Tensor {
  return y.mul(makeTensor(floats(y.shape, { seed: seed + 50, scale: 1 }))).sum();
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
const makeTensor = ({ values, shape, dtype }: Input) => tf.tensor(new ARRAYS[dtype](values), shape, dtype);

async function plainData(x: tf.Tensor): Promise<Input> {
  return { shape: x.shape, dtype: x.dtype as Input['dtype'], values: [...(await x.data())] };
}
