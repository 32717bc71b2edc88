import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostTensor } from '#src/common/host_tensor.js';
import type { PlainObject } from '#src/config/index.js';
import { type Batch, collate, type Dataset, type NumericArray } from '#src/datasets/index.js';
import { SingleCommunicator } from '#src/distributed/index.js';
import { Config } from '#src/index.js';
import type { Model } from '#src/models/index.js';
import { type BaseTask, type EvaluationContext, type EvaluationResult, setupTask } from '#src/tasks/index.js';
import { images } from '../models/tiny.js';

/** The task that a `run` section sets up, of a run of that architecture. */
export async function taskOf<T extends BaseTask>(
  folder: string,
  model: PlainObject,
  run: PlainObject,
): Promise<T> {
  const path = join(folder, 'run.yaml');
  writeFileSync(path, JSON.stringify({ model, datasets: { coco_caption: {} }, run }));
  return setupTask(await Config.fromFile(path)) as T;
}

/** Pictures of a fixture, [B, C, H, W], as samples have them: [H, W, C] each. */
export function picturesOf(tensor: HostTensor): NumericArray[] {
  const all = images(tensor);
  const [count, ...shape] = all.shape;
  const data = all.dataSync<'float32'>();
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => ({ data: data.slice(i * size, (i + 1) * size), shape }));
}

/** Samples that are there already, and whatever else their kind of dataset has. */
export function memoryDataset<D extends object>(
  samples: readonly Record<string, unknown>[],
  more: D = {} as D,
): Dataset & D {
  return {
    name: 'memory val',
    length: samples.length,
    get: async (index: number) => samples[index],
    job: (index: number) => ({ reader: 'memory', record: samples[index] }),
    collate,
    ...more,
  };
}

export interface Evaluated {
  results: EvaluationResult[];
  metrics: Record<string, number> | undefined;
  /** The lines of evaluate.txt. */
  lines: string[];
  context: EvaluationContext;
}

/** Evaluates all of a dataset as a run does, in batches of two, and scores it. */
export async function evaluate(
  task: BaseTask,
  model: Model,
  dataset: Dataset,
  { folder, split = 'val' }: { folder: string; split?: string },
): Promise<Evaluated> {
  const batches = async function* (): AsyncGenerator<Batch> {
    for (let at = 0; at < dataset.length; at += 2) {
      const places = [at, at + 1].filter((place) => place < dataset.length);
      yield dataset.collate(await Promise.all(places.map((place) => dataset.get(place, undefined as never))));
    }
  };
  const lines: string[] = [];
  const resultDir = join(folder, 'result');
  mkdirSync(resultDir, { recursive: true });
  const context: EvaluationContext = {
    ...{ split, dataset, epoch: 3, resultDir },
    writeLine: async (file, line) => void lines.push(`${file} ${line}`),
  };
  model.eval();
  await task.checkEvaluation(split, dataset);
  const results = await task.evaluation(model, {
    ...{ dataset, batches: batches(), comm: new SingleCommunicator() },
  });
  const metrics = await task.afterEvaluation(results, context);
  return { results, metrics, lines, context };
}
