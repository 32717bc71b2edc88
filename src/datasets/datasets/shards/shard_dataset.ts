import { open } from 'node:fs/promises';
import { DataError, LavisError, messageOf } from '../../../common/errors.js';
import { Rng } from '../../../common/random.js';
import type { ImageProcessor, TextProcessor } from '../../../processors/index.js';
import { collate } from '../../loading/collate.js';
import type {
  Batch,
  IterableDataset,
  ReaderSpec,
  Sample,
  SampleJob,
  SampleReader,
  SampleRecord,
  StreamPosition,
} from '../../types.js';
import { type TarEntry, tarEntries } from './tar.js';

type Span = Pick<TarEntry, 'offset' | 'size'>;

/** A sample of a shard: the bytes of its image, and of its text or JSON. */
export interface ShardRecord extends SampleRecord {
  shard: string;
  /** The name that its files share. */
  key: string;
  image: Span;
  text?: Span;
  json?: Span;
}

const IMAGES = new Set(['jpg', 'jpeg', 'png', 'webp']);

/**
 * The samples of a webdataset shard: consecutive files whose names agree up to the first dot, one of them
 * an image, one a `.txt` with the caption or a `.json` with the key `caption`. Others are passed over.
 */
export function shardRecords(shard: string): ShardRecord[] {
  const records: ShardRecord[] = [];
  let current: Partial<ShardRecord> = {};
  const finish = () => {
    if (current.image && (current.text || current.json)) records.push(current as ShardRecord);
  };
  for (const { name, offset, size } of tarEntries(shard)) {
    const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
    if (dot < 0) continue;
    const [key, extension] = [name.slice(0, dot), name.slice(dot + 1).toLowerCase()];
    if (key !== current.key) {
      finish();
      current = { shard, key };
    }
    const span = { offset, size };
    if (IMAGES.has(extension)) current.image = span;
    else if (extension === 'txt') current.text = span;
    else if (extension === 'json') current.json = span;
  }
  finish();
  return records;
}

/** Reads a sample's bytes out of its shard. */
export class ShardReader implements SampleReader {
  constructor(
    readonly imageProcessor: ImageProcessor,
    readonly textProcessor: TextProcessor,
  ) {}

  async read({ shard, key, image, text, json }: ShardRecord, rng: Rng): Promise<Sample> {
    const where = `${shard}, ${key}`;
    try {
      const file = await open(shard, 'r');
      try {
        const bytes = await readSpan(file, image);
        const caption = text
          ? (await readSpan(file, text)).toString('utf8')
          : captionOf(JSON.parse((await readSpan(file, json!)).toString('utf8')), rng, where);
        const pixels = await this.imageProcessor.process(bytes, rng);
        return { image: pixels, text_input: this.textProcessor.apply(caption.trim(), rng), image_id: key };
      } finally {
        await file.close();
      }
    } catch (cause) {
      const found = cause instanceof LavisError ? (cause.details.found ?? cause.headline) : messageOf(cause);
      throw new DataError('a sample of a shard cannot be read', { where, found, cause });
    }
  }
}

async function readSpan(file: Awaited<ReturnType<typeof open>>, { offset, size }: Span): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  const { bytesRead } = await file.read(bytes, 0, size, offset);
  if (bytesRead < size) throw new DataError('a shard is shorter than it was');
  return bytes;
}

/** A caption, or one of a list. */
function captionOf(json: unknown, rng: Rng, where: string): string {
  const { caption } = (json ?? {}) as { caption?: unknown };
  const choice = Array.isArray(caption) ? caption[rng.int(caption.length)] : caption;
  if (typeof choice === 'string') return choice;
  throw new DataError("a sample's JSON lacks the key 'caption'", { where });
}

export interface ShardDatasetOptions {
  name: string;
  shards: string[];
  reader: SampleReader;
  readerSpec: ReaderSpec;
  /** Samples in all shards, where known: else the shards' headers are read through once. */
  samples?: number;
  /** Samples that are mixed with each other on the way; the shards themselves are shuffled too. */
  shuffleBuffer?: number;
}

/**
 * Webdataset shards, read from front to back in an order of shards that is new each epoch, through a
 * buffer that shuffles. All ranks follow the same order and take each their every n-th sample, so that
 * none has more than another. Only headers pass by here: bytes are read where samples are made.
 */
export class ShardDataset implements IterableDataset {
  readonly iterable = true;
  readonly name: string;
  readonly samplesPerEpoch: number;
  readonly #options: ShardDatasetOptions;
  readonly #readerKey: string;

  /** @throws DataError for a broken shard, or when there is no sample. */
  constructor(options: ShardDatasetOptions) {
    this.name = options.name;
    this.#options = options;
    this.#readerKey = JSON.stringify(options.readerSpec);
    this.samplesPerEpoch =
      options.samples ?? options.shards.reduce((sum, shard) => sum + shardRecords(shard).length, 0);
  }

  *stream({ epoch, seed, rank, worldSize }: StreamPosition): Generator<SampleJob> {
    let position = 0;
    for (const record of this.#shuffled(seed, epoch)) {
      if (position++ % worldSize === rank) yield { reader: this.#readerKey, record };
    }
  }

  read(job: SampleJob, rng: Rng): Promise<Sample> {
    return this.#options.reader.read(job.record, rng);
  }

  collate(samples: Sample[]): Batch {
    return collate(samples);
  }

  *#shuffled(seed: number, epoch: number): Generator<ShardRecord> {
    const { shards, shuffleBuffer = 1000 } = this.#options;
    const rng = Rng.of(seed, 'shards', epoch);
    const buffer: ShardRecord[] = [];
    const take = () => {
      const i = rng.int(buffer.length);
      const record = buffer[i];
      buffer[i] = buffer[buffer.length - 1];
      buffer.pop();
      return record;
    };
    for (const i of rng.permutation(shards.length)) {
      for (const record of shardRecords(shards[i])) {
        buffer.push(record);
        if (buffer.length > shuffleBuffer) yield take();
      }
    }
    while (buffer.length) yield take();
  }
}
