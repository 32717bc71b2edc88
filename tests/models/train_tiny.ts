import assert from 'node:assert/strict';
import type { HostTensor } from '#src/common/host_tensor.js';
import { adamwUpdate, tf, valueAndGrads } from '#src/engine/index.js';
import type { BlipCaption, SeenImages } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { images, readTensors } from './tiny.js';

export const { texts } = fixtureJson<{ texts: string[] }>('tiny_caption', 'forward.json');

/**
 * Trains on batches of the fixture; returns the loss of each micro-step.
 * @param seen what the model sees of some images
 */
export function train(
  model: BlipCaption,
  image: HostTensor,
  batches: number[][],
  accumulate: number,
  seen: (rows: number[]) => SeenImages = (rows) => ({ image: images(image, rows) }),
): number[] {
  const parameters = model.namedParameters();
  const zeros = () => new Map([...parameters].map(([name, p]) => [name, tf.variable(tf.zerosLike(p))]));
  const [expAvg, expAvgSq, sums] = [zeros(), zeros(), zeros()];
  let step = 0;
  const losses = batches.map((rows, i) => {
    const batch = seen(rows);
    const samples = { ...batch, text_input: rows.map((row) => texts[row]) };
    const { value, grads } = valueAndGrads(() => model.forward(samples).loss.div(accumulate), parameters);
    for (const [name, grad] of grads) tf.tidy(() => sums.get(name)!.assign(sums.get(name)!.add(grad)));
    if ((i + 1) % accumulate === 0) {
      step++;
      for (const { names, weightDecay } of model.getOptimizerParams(0.05)) {
        for (const name of names) {
          const moments = { expAvg: expAvg.get(name)!, expAvgSq: expAvgSq.get(name)! };
          const grad = sums.get(name)!;
          const rates = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay };
          adamwUpdate({ param: parameters.get(name)!, grad, ...moments, ...rates, step });
          tf.tidy(() => grad.assign(tf.zerosLike(grad)));
        }
      }
    }
    const loss = value.dataSync()[0] * accumulate;
    tf.dispose([...Object.values(batch), value, ...grads.values()]);
    return loss;
  });
  tf.dispose([...expAvg.values(), ...expAvgSq.values(), ...sums.values()]);
  return losses;
}

/** Numbers are near others, relative to their size. */
export function assertNear(actual: number[], expected: number[], relative: number): void {
  for (const [i, value] of expected.entries()) {
    assert.ok(
      Math.abs(actual[i] - value) <= relative * Math.max(1, Math.abs(value)),
      `${actual} for ${expected}`,
    );
  }
}

/** Logits of the texts of hf_caption. */
export async function logitsOf(model: BlipCaption): Promise<tf.Tensor> {
  const given = await readTensors('hf_caption', 'expected.safetensors');
  const image = images((await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!);
  const rows = ({ shape, data }: HostTensor) =>
    Array.from({ length: shape[0] }, (_, row) =>
      Array.from(data as BigInt64Array, Number).slice(row * shape[1], (row + 1) * shape[1]),
    );
  const text = {
    inputIds: rows(given.get('input_ids')!),
    attentionMask: rows(given.get('attention_mask')!),
  };
  const logits = tf.tidy(() => {
    return model.textDecoder.forward(text, { states: model.visualEncoder.forward(image) });
  });
  image.dispose();
  return logits;
}
