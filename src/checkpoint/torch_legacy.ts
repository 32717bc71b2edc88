import { ByteReader } from './byte_reader.js';
import { elementBytes } from './dtypes.js';
import { LIMITS } from './limits.js';
import type { Source } from './source.js';
import type { TorchStorage } from './storage.js';
import { readPickle, type StorageRequest } from './torch_pickle.js';
import { unpickle } from './unpickler.js';

/** The first pickle of a legacy file is this number. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
const WINDOW = 2 ** 16;

/**
 * torch.save before PyTorch 1.6 (or with _use_new_zipfile_serialization=False): four pickles (magic,
 * protocol, system, structure), a pickled list of storage keys, then each storage: its count of elements
 * in eight bytes, then the elements, little-endian whatever machine wrote them.
 */
export async function readTorchLegacy(source: Source): Promise<unknown> {
  let end = 0;
  const more = (atLeast: number) => {
    const bytes = source.readSync(end, Math.max(WINDOW, atLeast));
    end += bytes.length;
    return bytes;
  };
  const reader = new ByteReader(more, LIMITS.pickleBytes, (what) => source.error(what));
  const plain = () =>
    unpickle(reader, {
      error: (what, found) => source.error(what, found),
      global: (module, name) => {
        throw source.error('is damaged', `'${module}.${name}' where a number is due`);
      },
      persistent: () => {
        throw source.error('is damaged', 'a storage where a number is due');
      },
    });

  if (plain() !== MAGIC)
    throw source.error('is a pickle, but not one of PyTorch', undefined, undefined, RESAVE);
  if (plain() !== PROTOCOL)
    throw source.error('is of an unknown PyTorch format', undefined, undefined, RESAVE);
  plain(); // the writer's byte order and sizes: storages are little-endian all the same

  const storages = new Map<string, LegacyStorage>();
  const root = readPickle(reader, source, (request) => storageFor(request, source, storages));
  const keys = plain();
  if (!Array.isArray(keys) || keys.length > LIMITS.entries)
    throw source.error('is damaged', 'no list of storages');
  await locate(source, storages, keys, reader.position);
  return root;
}

const RESAVE = 'in Python: torch.save({"model": model.state_dict()}, "checkpoint.pth")';

interface LegacyStorage {
  readonly key: string;
  readonly count: number;
  readonly bytesPerElement: number;
  /** Where the elements start; unknown until the structure is read. */
  start?: number;
}

function storageFor(
  { key, dtype, count, view }: StorageRequest,
  source: Source,
  storages: Map<string, LegacyStorage>,
): TorchStorage {
  const bytesPerElement = elementBytes(dtype);
  let root = storages.get(key);
  if (!root) storages.set(key, (root = { key, count, bytesPerElement }));
  if (root.count !== count || root.bytesPerElement !== bytesPerElement) {
    throw source.error('is damaged', `storage ${key} described in two ways`);
  }
  if (view && view.offset + view.count > count)
    throw source.error('is damaged', `a view that leaves storage ${key}`);
  const skip = (view?.offset ?? 0) * bytesPerElement;
  return {
    key: view ? `${key}/${view.key}` : key,
    dtype,
    length: (view?.count ?? count) * bytesPerElement,
    bigEndian: false,
    read: (offset, length) => source.read(root.start! + skip + offset, length),
    error: (what, found) => source.error(what, found),
  };
}

/** Walks over the storages behind the pickles and notes where each starts. */
async function locate(
  source: Source,
  storages: ReadonlyMap<string, LegacyStorage>,
  keys: readonly unknown[],
  start: number,
): Promise<void> {
  let at = start;
  for (const key of keys) {
    const storage = storages.get(String(key));
    if (!storage)
      throw source.error('is damaged', `storage ${String(key).slice(0, 40)}, which no tensor uses`);
    const count = (await source.read(at, 8)).readBigInt64LE();
    if (count !== BigInt(storage.count)) {
      throw source.error('is damaged', `storage ${storage.key} has ${count} elements, not ${storage.count}`);
    }
    storage.start = at + 8;
    at = storage.start + storage.count * storage.bytesPerElement;
    if (at > source.size) throw source.error('is cut short', `${source.size} bytes, at least ${at} are due`);
  }
  const lost = [...storages.values()].find((storage) => storage.start === undefined);
  if (lost) throw source.error('lacks a storage', `nothing for storage ${lost.key}`);
}
