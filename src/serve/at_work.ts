import type { UsedModel } from '../inference/index.js';
import {
  type AnswerOptions,
  type GenerateOptions,
  imageBatches,
  type Model,
  type stacked,
} from '../models/index.js';
import { errorBody } from './http_error.js';
import type { Outcome, Progress, Use, Uses } from './protocol.js';

/** A model at work, with what its YAML says of generation. */
export interface AtWork extends UsedModel<Model> {
  uses: Use[];
  captioning: GenerateOptions;
  answering: AnswerOptions;
}

/** How a batch is followed, and ended. */
export interface RunHooks {
  onProgress(progress: Progress): void;
  /** @throws Cancelled where nobody waits for the batch any more */
  throwIfCancelled(): void;
}

/** A batch that nobody waits for. */
export class Cancelled extends Error {}

export const imagesOf = (items: readonly { image?: Uint8Array }[]) => items.map(({ image }) => image!);

/** Does something with the images that can be read, all at once. */
export async function ofImages<U extends Use>(
  items: readonly { image?: Uint8Array }[],
  processor: UsedModel<Model>['processor'],
  work: (image: ReturnType<typeof stacked>, indices: number[]) => Promise<Uses[U]['result'][]>,
): Promise<Outcome<U>[]> {
  const outcomes: Outcome<U>[] = [];
  const onError = (error: unknown, index: number) => {
    outcomes[index] = { error: errorBody(error) };
  };
  for await (const { image, indices } of imageBatches(processor, imagesOf(items), {
    batchSize: items.length,
    onError,
  })) {
    const values = await work(image, indices);
    for (const [place, index] of indices.entries()) outcomes[index] = { value: values[place] };
  }
  return outcomes;
}
