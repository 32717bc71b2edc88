import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { mapConcurrently } from '../../../common/concurrently.js';
import { DataError, LavisError, messageOf } from '../../../common/errors.js';
import { Rng } from '../../../common/random.js';
import type { ImageProcessor, TextProcessor } from '../../../processors/index.js';
import { fingerprintOfFiles } from '../../fingerprint.js';
import { collate } from '../../loading/collate.js';
import { readerId } from '../../loading/readers.js';
import type {
  Batch,
  IterableDataset,
  ReaderSpec,
  Readers,
  Sample,
  SampleFault,
  SampleJob,
  SampleReader,
  StreamPosition,
} from '../../types.js';
import { captionsOf } from './caption.js';
import { PassedOver } from './passed_over.js';
import { indexShard, type ShardIndex } from './shard_index.js';
import type { ShardRecord, Span } from './shard_samples.js';

/** Reads a sample's bytes out of its shard. */
export class ShardReader implements SampleReader {
  constructor(
    readonly imageProcessor: ImageProcessor,
    readonly textProcessor: TextProcessor,
  ) {}

  async read({ shard, key, image, caption, json }: ShardRecord, rng: Rng): Promise<Sample> {
    const where = `${shard}, ${key}`;
    try {
      const file = await open(shard, 'r');
      try {
        const bytes = await readSpan(file, image);
        if (bytes.length === 0) throw new DataError("a sample's image is empty", { where });
        const captions = captionsOf(await readSpan(file, caption), json, where);
        const text = captions.length > 1 ? captions[rng.int(captions.length)] : captions[0];
        const pixels = await this.imageProcessor.process(bytes, rng);
        return { image: pixels, text_input: this.textProcessor.apply(text, rng), image_id: key };
      } finally {
        await file.close();
      }
    } catch (cause) {
      throw new DataError('a sample of a shard cannot be read', { where, found: reasonOf(cause), cause });
    }
  }
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof LavisError)) return messageOf(thrown);
  return [thrown.headline, thrown.details.found].filter(Boolean).join(': ');
}

async function readSpan(file: Awaited<ReturnType<typeof open>>, { offset, size }: Span): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  const { bytesRead } = await file.read(bytes, 0, size, offset);
  if (bytesRead < size) throw new DataError('a shard is shorter than it was');
  return bytes;
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

/** Shards whose headers are read at a time. */
const AT_ONCE = 4;

/**
 * Webdataset shards, read from front to back in an order of shards that is new each epoch, through a
 * buffer that shuffles. All ranks follow the same order and take each their every n-th sample, so that
 * none has more than another. Headers are read once, captions are looked at then, and images where samples
 * are made.
 */
export class ShardDataset implements IterableDataset {
  readonly iterable = true;
  readonly name: string;
  samplesPerEpoch: number;
  readonly #options: ShardDatasetOptions;
  readonly readers: Readers;
  readonly #readerId: string;
  readonly #indices = new Map<string, Promise<ShardIndex>>();
  readonly #passed = new PassedOver();

  private constructor(options: ShardDatasetOptions) {
    this.name = options.name;
    this.#options = options;
    this.#readerId = readerId(options.readerSpec);
    this.readers = { [this.#readerId]: options.readerSpec };
    this.samplesPerEpoch = options.samples ?? 0;
  }

  /**
   * Reads the shards' headers, unless the number of samples is given: then each shard's when it comes to it.
   * @throws DataError for a broken shard, or when there is no sample
   */
  static async open(options: ShardDatasetOptions): Promise<ShardDataset> {
    const dataset = new ShardDataset(options);
    if (options.samples !== undefined) return dataset;
    const indices = await mapConcurrently(options.shards, AT_ONCE, (shard) => dataset.#indexOf(shard));
    dataset.samplesPerEpoch = indices.reduce((sum, { samples }) => sum + samples.length, 0);
    if (dataset.samplesPerEpoch === 0) throw dataset.#empty();
    dataset.#passed.tell(dataset.name);
    return dataset;
  }

  async *stream({ epoch, seed, rank, worldSize }: StreamPosition): AsyncGenerator<SampleJob> {
    let position = 0;
    for await (const record of this.#shuffled(seed, epoch)) {
      if (position++ % worldSize === rank) yield { reader: this.#readerId, record };
    }
  }

  /** Of the shards that have been looked at. */
  async faults(): Promise<SampleFault[]> {
    const indices = await Promise.all(this.#indices.values());
    return indices.flatMap(({ faults }) => faults);
  }

  read(job: SampleJob, rng: Rng): Promise<Sample> {
    return this.#options.reader.read(job.record, rng);
  }

  collate(samples: Sample[]): Batch {
    return collate(samples);
  }

  fingerprint(): string {
    const { shards, shuffleBuffer } = this.#options;
    const files = fingerprintOfFiles(
      shards,
      shards.map((shard) => statSync(shard).size),
    );
    return shuffleBuffer === undefined ? files : `${files}, shuffled by ${shuffleBuffer}`;
  }

  async *#shuffled(seed: number, epoch: number): AsyncGenerator<ShardRecord> {
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
      const { samples } = await this.#indexOf(shards[i]);
      this.#passed.tell(this.name);
      for (const record of samples) {
        buffer.push(record);
        if (buffer.length > shuffleBuffer) yield take();
      }
    }
    while (buffer.length) yield take();
  }

  #indexOf(shard: string): Promise<ShardIndex> {
    let index = this.#indices.get(shard);
    if (!index) this.#indices.set(shard, (index = indexShard(shard, this.#passed)));
    return index;
  }

  #empty(): DataError {
    const { shards } = this.#options;
    const more = shards.length > 1 ? `\nand ${shards.length - 1} more` : '';
    return new DataError(`the shards of ${this.name} hold no sample`, {
      where: `${shards[0]}${more}`,
      found: this.#passed.text ?? 'no file',
      allowed: 'an image beside a .txt with its caption or a .json with the key caption: 0001.jpg, 0001.txt',
      help: 'tar -tf lists the names; tar --sort=name -cf SHARD.tar -C FOLDER . writes a shard',
    });
  }
}
