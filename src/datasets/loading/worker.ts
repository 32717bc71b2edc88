/** Runs in a worker thread: reads samples and hands their arrays over. */
import sharp from 'sharp';
import Tinypool from 'tinypool';
import { mapConcurrently } from '../../common/concurrently.js';
import { Rng } from '../../common/random.js';
import { registry } from '../../common/registry.js';
import { loadPlugin } from '../../config/index.js';
import '../builders.js';
import type { Readers, SampleReader } from '../types.js';
import { isNumericArray } from './collate.js';
import { type Outcome, readSample } from './executor.js';
import type { WorkerOutcome, WorkerRequest } from './readers.js';

// One image a thread: the workers are the parallelism.
sharp.concurrency(1);
sharp.cache(false);

// A thread that left without a word would be waited for forever.
process.exit = (code) => {
  throw new TypeError(`process.exit(${code ?? ''}) was called while a sample was read`);
};

/** Given by the pool once, when the thread starts. */
const specs = Tinypool.workerData as Readers;
const readers = new Map<string, SampleReader>();

function readerOf(id: string): SampleReader {
  let reader = readers.get(id);
  if (!reader) {
    const { builder, section, split } = specs[id];
    reader = registry
      .getBuilderClass(builder)
      .fromConfig(section as Record<string, unknown>)
      .reader(split);
    readers.set(id, reader);
  }
  return reader;
}

export default async function readSamples({ plugins, tasks }: WorkerRequest): Promise<unknown> {
  for (const plugin of plugins) await loadPlugin(plugin);
  // Two at a time: one is decoded while the other is resized.
  const outcomes = await mapConcurrently(tasks, 2, async ({ job, rng }) =>
    plain(await readSample(() => readerOf(job.reader).read(job.record, Rng.of(...rng), job.kept))),
  );
  return Tinypool.move(new HandedOver(outcomes) as never);
}

function plain(outcome: Outcome): WorkerOutcome {
  if ('sample' in outcome) return outcome;
  const { headline, details } = outcome.bad;
  return { headline, details: { ...details, cause: undefined } };
}

/** Marks the buffers of numeric arrays as moved, not copied, between the threads. */
class HandedOver {
  constructor(readonly outcomes: WorkerOutcome[]) {}

  get [Tinypool.transferableSymbol](): ArrayBufferLike[] {
    const values = this.outcomes.flatMap((o) => ('sample' in o ? Object.values(o.sample) : []));
    return [...new Set(values.filter(isNumericArray).map(({ data }) => data.buffer))];
  }

  get [Tinypool.valueSymbol](): WorkerOutcome[] {
    return this.outcomes;
  }
}
