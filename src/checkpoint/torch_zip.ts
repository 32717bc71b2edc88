import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { CheckpointError, messageOf } from '../common/errors.js';
import { openZip } from '../fetch/index.js';
import { ByteReader } from './byte_reader.js';
import { elementBytes } from './dtypes.js';
import { LIMITS } from './limits.js';
import type { Source } from './source.js';
import type { TorchStorage } from './storage.js';
import { readPickle, type StorageRequest } from './torch_pickle.js';

/** The archive that torch.save writes: data.pkl for the structure, one stored member for each storage. */
export async function readTorchZip(source: Source): Promise<unknown> {
  const archive = await Archive.open(source);
  const pickle = archive.find('data.pkl');
  if (!pickle) throw notOurs(source, archive);
  if (archive.find('constants.pkl')) {
    throw source.error('is a TorchScript program, not weights', undefined, undefined, HELP_RESAVE);
  }
  const byteOrder = (await archive.text('byteorder')) ?? 'little';
  if (byteOrder !== 'little' && byteOrder !== 'big') {
    throw source.error('has an unknown byte order', `'${byteOrder.slice(0, 40)}'`);
  }
  const bytes = await archive.read(pickle, LIMITS.pickleBytes);
  const reader = ByteReader.over(bytes, LIMITS.pickleBytes, (what) => source.error(what));
  return readPickle(reader, source, (request) => archive.storage(request, byteOrder === 'big'));
}

const HELP_RESAVE = 'in Python: torch.save({"model": model.state_dict()}, "checkpoint.pth")';

function notOurs(source: Source, archive: Archive): CheckpointError {
  const names = archive.names.slice(0, 5).join(', ') || 'nothing';
  return source.error('is a zip archive without a PyTorch pickle', names, undefined, HELP_RESAVE);
}

class Archive {
  readonly #entries = new Map<string, Entry>();
  /** The folder that everything lies in, with its slash. */
  #prefix = '';

  private constructor(
    private readonly source: Source,
    private readonly zip: ZipFile,
  ) {}

  static async open(source: Source): Promise<Archive> {
    try {
      const zip = await openZip(source.handle.fd, source.size);
      if (zip.entryCount > LIMITS.entries) throw new RangeError(`${zip.entryCount} members`);
      const archive = new Archive(source, zip);
      for await (const entry of zip.eachEntry()) archive.#entries.set(entry.fileName, entry);
      const pickle = archive.names.find((name) => /^[^/]*\/data\.pkl$/.test(name));
      if (pickle) archive.#prefix = pickle.slice(0, -'data.pkl'.length);
      return archive;
    } catch (thrown) {
      if (thrown instanceof CheckpointError) throw thrown;
      throw source.error('is cut short or damaged', `a zip archive: ${messageOf(thrown)}`, thrown);
    }
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  find(name: string): Entry | undefined {
    return this.#entries.get(this.#prefix + name);
  }

  async text(name: string): Promise<string | undefined> {
    const entry = this.find(name);
    return entry && (await this.read(entry, 100)).toString('utf8').trim();
  }

  /** A whole member, its checksum compared. */
  async read(entry: Entry, limit: number): Promise<Buffer> {
    if (entry.uncompressedSize > limit) {
      throw this.source.error('is too large', `${entry.fileName}: ${entry.uncompressedSize} bytes`);
    }
    const bytes = await this.source.read(await this.#start(entry), entry.uncompressedSize);
    this.#check(entry, bytes);
    return bytes;
  }

  storage({ key, dtype, count }: StorageRequest, bigEndian: boolean): TorchStorage {
    const { source } = this;
    const entry = this.find(`data/${key}`);
    if (!entry) throw source.error('lacks a storage', `no data/${key}`);
    const length = count * elementBytes(dtype);
    if (entry.uncompressedSize < length) {
      throw source.error('is cut short', `data/${key} has ${entry.uncompressedSize} bytes, not ${length}`);
    }
    return {
      key,
      dtype,
      length,
      bigEndian,
      read: async (offset, size) => {
        const bytes = await source.read((await this.#start(entry)) + offset, size);
        if (size === entry.uncompressedSize) this.#check(entry, bytes);
        return bytes;
      },
      error: (what, found) => source.error(what, found),
    };
  }

  /** Where a member's bytes start. */
  async #start(entry: Entry): Promise<number> {
    if (entry.compressionMethod !== 0 || entry.isEncrypted()) {
      throw this.source.error(
        'is a compressed or encrypted zip archive',
        entry.fileName,
        undefined,
        'PyTorch stores without compression: unpack the archive and pack it again with zip -0',
      );
    }
    try {
      return (await this.zip.readLocalFileHeaderPromise(entry, { minimal: true })).fileDataStart;
    } catch (thrown) {
      throw this.source.error('is cut short or damaged', `${entry.fileName}: ${messageOf(thrown)}`, thrown);
    }
  }

  #check(entry: Entry, bytes: Uint8Array): void {
    if (entry.crc32 === 0) return; // not computed: PyTorch's set_crc32_options(False) writes that
    const sum = crc32(bytes);
    if (sum !== entry.crc32) {
      const hex = (n: number) => n.toString(16).padStart(8, '0');
      throw this.source.error(
        'is damaged',
        `${entry.fileName} has checksum ${hex(sum)}, not ${hex(entry.crc32)}`,
        undefined,
        'copy or download the file again',
      );
    }
  }
}
