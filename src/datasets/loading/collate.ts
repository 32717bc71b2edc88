import { DataError } from '../../common/errors.js';
import type { Batch, NumericArray, Sample } from '../types.js';

export function isNumericArray(value: unknown): value is NumericArray {
  if (typeof value !== 'object' || value === null) return false;
  const { data, shape } = value as Partial<NumericArray>;
  return (data instanceof Float32Array || data instanceof Int32Array) && Array.isArray(shape);
}

/**
 * Stacks the numeric arrays of each key, and lists the values of every other key that all samples share. A `prompt`
 * that only some have is null for the others: texts begin with prompts, which losses leave out.
 * @throws DataError when the arrays of a key differ in shape.
 */
export function collate(samples: readonly Sample[]): Batch {
  const shared = Object.keys(samples[0]).filter((key) => samples.every((sample) => key in sample));
  const batch: Batch = Object.fromEntries(
    shared.map((key) => {
      const values = samples.map((sample) => sample[key]);
      return [key, values.every(isNumericArray) ? stack(key, values) : values];
    }),
  );
  if (!('prompt' in batch) && samples.some((sample) => 'prompt' in sample)) {
    batch.prompt = samples.map(({ prompt }) => prompt ?? null);
  }
  return batch;
}

function stack(key: string, arrays: readonly NumericArray[]): NumericArray {
  const [{ data: first, shape }] = arrays;
  const stacked =
    first instanceof Int32Array
      ? new Int32Array(first.length * arrays.length)
      : new Float32Array(first.length * arrays.length);
  for (const [i, array] of arrays.entries()) {
    if (array.shape.join() !== shape.join()) {
      throw new DataError(`the samples of a batch differ in size: '${key}'`, {
        found: `${shape.join(' x ')} and ${array.shape.join(' x ')}`,
        help: 'a vis_processor that resizes, such as blip_image_eval',
      });
    }
    stacked.set(array.data, i * first.length);
  }
  return { data: stacked, shape: [arrays.length, ...shape] };
}

/** How many samples were put together. */
export function batchSize(batch: Batch): number {
  for (const value of Object.values(batch)) {
    if (isNumericArray(value)) return value.shape[0];
  }
  for (const value of Object.values(batch)) {
    if (Array.isArray(value)) return value.length;
  }
  return 0;
}

const IDS = ['image_id', 'question_id', 'instance_id'] as const;

/** The samples' names for messages: the first kind of id that the batch has. */
export function idsOf(batch: Batch): (number | string)[] {
  const ids = IDS.map((key) => batch[key]).find(Array.isArray);
  return (ids ?? []) as (number | string)[];
}
