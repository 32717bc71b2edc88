import type { HostTensor } from '#src/common/host_tensor.js';
import type { Batch } from '#src/datasets/index.js';
import type { tf } from '#src/engine/index.js';
import { BlipPretrain, BlipRetrieval } from '#src/models/index.js';
import { BaseTask, type StepPosition } from '#src/tasks/index.js';
import { fixtureJson } from '../support.js';
import { familyModel, imageOf } from './family.js';
import { readTensors } from './tiny.js';

/** The models that compare pairs with those of other ranks. */
export type PairArch = 'blip_retrieval' | 'blip_pretrain';

/** A fixture's model of one of them. */
export function pairModel(arch: PairArch, allRanks = false): Promise<BlipPretrain | BlipRetrieval> {
  if (arch === 'blip_pretrain') return familyModel(BlipPretrain, 'tiny_pretrain');
  return familyModel(BlipRetrieval, 'tiny_retrieval', { negative_all_rank: allRanks });
}

interface Drawn {
  image_for_text: number[];
  text_for_image: number[];
}

export interface Ranks2 {
  per_rank: number;
  queue_ptr_before: number;
  texts: string[];
  image_id: number[];
  samples: { epoch: number; iters: number; num_iters_per_epoch: number };
  own_rank: OneMode;
  all_ranks: OneMode;
}

interface OneMode {
  ranks: ({ losses: Record<string, number> } & Drawn)[];
  gradient_l2: Record<string, number>;
}

export const ranks2 = fixtureJson<Ranks2>('tiny_retrieval', 'ranks2.json');

/** The pairs of two ranks, and the negatives that each of them takes. */
export interface Pairs {
  image: tf.Tensor4D;
  negatives: { image: number[]; text: number[] }[];
  at: StepPosition;
  /** Where the queue is. */
  pointer: number;
}

export async function pairsOf(allRanks: boolean): Promise<Pairs> {
  const { epoch, iters, num_iters_per_epoch } = ranks2.samples;
  const { ranks } = allRanks ? ranks2.all_ranks : ranks2.own_rank;
  return {
    image: imageOf(await readTensors('tiny_retrieval', 'ranks2.safetensors')),
    negatives: ranks.map((drawn) => ({ image: drawn.image_for_text, text: drawn.text_for_image })),
    at: { epoch, step: iters, stepsPerEpoch: num_iters_per_epoch },
    pointer: ranks2.queue_ptr_before,
  };
}

/** A rank's part of the pairs as a loader gives it; `negatives` is taken as it is. */
export function rankPart({ image, negatives }: Pairs, rank: number, ranks: number): Batch {
  const count = image.shape[0] / ranks;
  const own = <T>(values: readonly T[]) => values.slice(rank * count, (rank + 1) * count);
  const size = image.size / ranks;
  const data = (image.dataSync() as Float32Array).slice(rank * size, (rank + 1) * size);
  return {
    image: { data, shape: [count, ...image.shape.slice(1)] },
    text_input: own(ranks2.texts),
    image_id: own(ranks2.image_id),
    negatives: negatives[rank],
  } as unknown as Batch;
}

/** What every task does in training. */
export class PlainTask extends BaseTask {
  readonly resultKey = 'id';

  async afterEvaluation(): Promise<undefined> {}
}

export const hostOf = (tensor: tf.Tensor): HostTensor => ({
  dtype: tensor.dtype as 'float32',
  shape: tensor.shape,
  data: tensor.dataSync().slice() as Float32Array,
});
