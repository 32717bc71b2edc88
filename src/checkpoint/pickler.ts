import { DTYPES } from './dtypes.js';
import { dictEntries, isHostTensor, isLazyTensor, OrderedDict, PyFloat, type SavedTensor } from './values.js';

/** A storage of the file, in the order of its first use. */
export interface PlannedStorage {
  readonly key: string;
  readonly tensor: SavedTensor;
  readonly bytes: number;
}

const MAX_DEPTH = 100;

/**
 * Writes values as Python's pickle, protocol 2, the way torch.save does: tensors as
 * torch._utils._rebuild_tensor_v2 over storages named by persistent ids.
 */
export class Pickler {
  readonly storages: PlannedStorage[] = [];
  readonly #storageOf = new Map<unknown, PlannedStorage>();
  readonly #chunks: Buffer[] = [];
  /** Texts and containers written before, and their place in the memo; names have a map of their own. */
  readonly #memo = new Map<unknown, number>();
  readonly #globals = new Map<string, number>();
  #memoSize = 0;
  readonly #open = new Set<unknown>();

  /** @throws TypeError for what a checkpoint cannot hold; the message names the path to it. */
  dump(value: unknown): Buffer {
    this.#code(0x80, 2);
    this.#value(value, []);
    this.#code(0x2e);
    return Buffer.concat(this.#chunks);
  }

  #value(value: unknown, path: readonly string[]): void {
    if (value === null || value === undefined) this.#code(0x4e);
    else if (typeof value === 'boolean') this.#code(value ? 0x88 : 0x89);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#long(value);
    else if (typeof value === 'string') this.#text(value);
    else if (value instanceof PyFloat) this.#float(value.value);
    else if (isHostTensor(value) || isLazyTensor(value)) this.#tensor(value);
    else if (typeof value === 'object') this.#container(value, path);
    else throw new TypeError(`a ${typeof value} at ${path.join('.') || 'the top'} cannot be saved`);
  }

  #container(value: object, path: readonly string[]): void {
    const known = this.#memo.get(value);
    if (known !== undefined) {
      this.#get(known);
      return;
    }
    if (this.#open.has(value)) throw new TypeError(`${path.join('.')} contains itself and cannot be saved`);
    if (path.length > MAX_DEPTH)
      throw new TypeError(`${path.slice(0, 5).join('.')}… nests too deep to be saved`);
    this.#open.add(value);
    if (value instanceof Uint8Array) this.#bytes(value);
    else if (Array.isArray(value)) this.#array(value, path);
    else if (value instanceof Set) this.#set(value, path);
    else if (value instanceof OrderedDict) this.#orderedDict(value, path);
    else this.#dict(value, path);
    this.#open.delete(value);
  }

  #array(value: unknown[], path: readonly string[]): void {
    if (Object.isFrozen(value)) {
      this.#tuple(value, path);
      return;
    }
    this.#code(0x5d);
    this.#put(value);
    if (value.length === 0) return;
    this.#code(0x28);
    value.forEach((item, i) => {
      this.#value(item, [...path, String(i)]);
    });
    this.#code(0x65);
  }

  #tuple(value: readonly unknown[], path: readonly string[]): void {
    if (value.length === 0) {
      this.#code(0x29);
      return;
    }
    if (value.length > 3) this.#code(0x28);
    value.forEach((item, i) => {
      this.#value(item, [...path, String(i)]);
    });
    this.#code(value.length > 3 ? 0x74 : 0x84 + value.length);
    this.#put(value);
  }

  #sizes(sizes: readonly number[]): void {
    this.#code(0x28);
    for (const size of sizes) this.#number(size);
    this.#code(0x74);
  }

  /** `set([…])`. */
  #set(value: ReadonlySet<unknown>, path: readonly string[]): void {
    this.#global('__builtin__', 'set');
    this.#array([...value], path);
    this.#code(0x85, 0x52);
    this.#put(value);
  }

  #orderedDict(value: OrderedDict, path: readonly string[]): void {
    this.#global('collections', 'OrderedDict');
    this.#code(0x29, 0x52);
    this.#put(value);
    this.#items([...value], path);
    if (!value.attributes) return;
    this.#value(value.attributes, path);
    this.#code(0x62);
  }

  #dict(value: object, path: readonly string[]): void {
    const entries = dictEntries(value);
    if (!entries) {
      const name = value.constructor?.name ?? 'object';
      throw new TypeError(`a ${name} at ${path.join('.') || 'the top'} cannot be saved`);
    }
    this.#code(0x7d);
    this.#put(value);
    this.#items(entries, path);
  }

  #items(entries: [unknown, unknown][], path: readonly string[]): void {
    const present = entries.filter(([, value]) => value !== undefined);
    if (present.length === 0) return;
    this.#code(0x28);
    for (const [key, value] of present) {
      this.#value(key, [...path, '(key)']);
      this.#value(value, [...path, String(key)]);
    }
    this.#code(0x75);
  }

  /** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)`. */
  #tensor(tensor: SavedTensor): void {
    const storage = this.#storage(tensor);
    this.#global('torch._utils', '_rebuild_tensor_v2');
    this.#code(0x28);
    this.#code(0x28);
    this.#text('storage');
    this.#global('torch', DTYPES[tensor.dtype].torchStorage);
    this.#text(storage.key);
    this.#text('cpu');
    this.#number(storage.bytes / DTYPES[tensor.dtype].bytes);
    this.#code(0x74, 0x51);
    this.#number(0);
    this.#sizes(tensor.shape);
    this.#sizes(contiguousStrides(tensor.shape));
    this.#code(0x89);
    this.#global('collections', 'OrderedDict');
    this.#code(0x29, 0x52, 0x74, 0x52);
  }

  #storage(tensor: SavedTensor): PlannedStorage {
    const owner = isHostTensor(tensor) ? tensor.data : (tensor.identity ?? tensor);
    const bytes = tensor.shape.reduce((n, size) => n * size, DTYPES[tensor.dtype].bytes);
    const known = this.#storageOf.get(owner);
    // The same numbers under another shape share too; a part of them is written as a storage of its own.
    if (known && known.bytes === bytes && known.tensor.dtype === tensor.dtype) return known;
    const storage = { key: String(this.storages.length), tensor, bytes };
    this.storages.push(storage);
    this.#storageOf.set(owner, storage);
    return storage;
  }

  #number(value: number): void {
    if (!Number.isInteger(value) || Object.is(value, -0)) {
      this.#float(value);
      return;
    }
    if (value >= 0 && value < 2 ** 8) {
      this.#code(0x4b, value);
      return;
    }
    if (value >= 0 && value < 2 ** 16) {
      this.#code(0x4d, value & 255, value >> 8);
      return;
    }
    if (value >= -(2 ** 31) && value < 2 ** 31) {
      const bytes = Buffer.of(0x4a, 0, 0, 0, 0);
      bytes.writeInt32LE(value, 1);
      this.#chunks.push(bytes);
      return;
    }
    if (Number.isSafeInteger(value)) this.#long(BigInt(value));
    else this.#float(value);
  }

  #float(value: number): void {
    const bytes = Buffer.of(0x47, 0, 0, 0, 0, 0, 0, 0, 0);
    bytes.writeDoubleBE(value, 1);
    this.#chunks.push(bytes);
  }

  /** LONG1: two's complement, as few bytes as hold it. */
  #long(value: bigint): void {
    let length = 1;
    while (BigInt.asIntN(length * 8, value) !== value) length++;
    if (length > 255) throw new TypeError('a whole number of more than 255 bytes cannot be saved');
    const hex = BigInt.asUintN(length * 8, value)
      .toString(16)
      .padStart(length * 2, '0');
    this.#code(0x8a, length);
    this.#chunks.push(Buffer.from(hex, 'hex').reverse());
  }

  #text(value: string): void {
    const known = this.#memo.get(value);
    if (known !== undefined) {
      this.#get(known);
      return;
    }
    const bytes = Buffer.from(value, 'utf8');
    const head = Buffer.of(0x58, 0, 0, 0, 0);
    head.writeUInt32LE(bytes.length, 1);
    this.#chunks.push(head, bytes);
    this.#put(value);
  }

  /** `_codecs.encode(text, 'latin1')`: protocol 2 has no bytes of its own. */
  #bytes(value: Uint8Array): void {
    this.#global('_codecs', 'encode');
    this.#text(Buffer.from(value).toString('latin1'));
    this.#text('latin1');
    this.#code(0x86, 0x52);
    this.#put(value);
  }

  #global(module: string, name: string): void {
    const line = `c${module}\n${name}\n`;
    const known = this.#globals.get(line);
    if (known !== undefined) {
      this.#get(known);
      return;
    }
    this.#chunks.push(Buffer.from(line, 'latin1'));
    this.#globals.set(line, this.#memoSize);
    this.#indexed(0x71, this.#memoSize++);
  }

  #put(value: unknown): void {
    this.#memo.set(value, this.#memoSize);
    this.#indexed(0x71, this.#memoSize++);
  }

  #get(index: number): void {
    this.#indexed(0x68, index);
  }

  /** BINPUT or BINGET in one byte, the long forms (1 or 2 above) in four. */
  #indexed(short: 0x71 | 0x68, index: number): void {
    if (index < 256) {
      this.#code(short, index);
      return;
    }
    const bytes = Buffer.of(short === 0x71 ? 0x72 : 0x6a, 0, 0, 0, 0);
    bytes.writeUInt32LE(index, 1);
    this.#chunks.push(bytes);
  }

  #code(...bytes: number[]): void {
    this.#chunks.push(Buffer.from(bytes));
  }
}

function contiguousStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    // PyTorch counts an empty dimension as one.
    stride *= Math.max(1, shape[i]);
  }
  return strides;
}
