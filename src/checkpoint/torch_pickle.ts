import type { CheckpointError } from '../common/errors.js';
import type { ByteReader } from './byte_reader.js';
import type { ElementType } from './dtypes.js';
import { allowedGlobals, foreignGlobal, StorageInstance, StorageType } from './globals.js';
import { ForeignGlobal, Global } from './pickled.js';
import { toPlain } from './plain.js';
import type { Source } from './source.js';
import type { TorchStorage } from './storage.js';
import { unpickle } from './unpickler.js';

/** What a pickle says of a storage: `('storage', type, key, location, count[, view])`. */
export interface StorageRequest {
  readonly key: string;
  readonly dtype: ElementType | undefined;
  /** In elements. */
  readonly count: number;
  /** Legacy files: the part of the storage that is meant, in elements. */
  readonly view?: { key: string; offset: number; count: number };
}

/** Reads a pickle of PyTorch's and turns it into plain data with TensorRef leaves. */
export function readPickle(
  reader: ByteReader,
  source: Source,
  storageOf: (request: StorageRequest) => TorchStorage,
): unknown {
  const error = (what: string, found?: string) => source.error(what, found);
  const globals = allowedGlobals(error);
  const storages = new Map<string, StorageInstance>();

  const raw = unpickle(reader, {
    error,
    global: (module, name) => {
      const global = globals.get(`${module}.${name}`) ?? foreignGlobal(module, name);
      if (!global) throw refusal(source, `${module}.${name}`);
      return global;
    },
    persistent: (id) => {
      const request = storageRequest(id);
      if (!request) throw error('is damaged', 'a reference to what is not a storage');
      const key = `${request.key}/${request.dtype}/${request.count}/${request.view?.key ?? ''}`;
      let instance = storages.get(key);
      if (!instance) storages.set(key, (instance = new StorageInstance(storageOf(request))));
      return instance;
    },
  });
  return toPlain(raw, error);
}

/** The error for what only running its code could make. */
export function refusal(source: Pick<Source, 'error'>, name: string): CheckpointError {
  return source.error(
    `asks for '${name.slice(0, 200)}', which is refused`,
    'a pickle may run any code; only weights and plain data are read here',
    undefined,
    'if you trust the file, load it in Python and save what is needed: ' +
      'torch.save({"model": model.state_dict()}, "checkpoint.pth")',
  );
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function storageRequest(id: unknown): StorageRequest | undefined {
  if (!Array.isArray(id) || id[0] !== 'storage') return undefined;
  const [, type, key, , count, view] = id;
  const known = type instanceof Global && type.value instanceof StorageType ? type.value : undefined;
  if (!known && !(type instanceof ForeignGlobal)) return undefined;
  if (typeof key !== 'string' || !isCount(count)) return undefined;
  const dtype = known?.dtype;
  if (view === undefined || view === null) return { key, dtype, count };
  const [viewKey, offset, viewCount] = Array.isArray(view) ? view : [];
  if (typeof viewKey !== 'string' || !isCount(offset) || !isCount(viewCount)) return undefined;
  return { key, dtype, count, view: { key: viewKey, offset, count: viewCount } };
}
