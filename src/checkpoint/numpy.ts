import { type HostDType, halfValue, sizeOf } from '../common/host_tensor.js';
import { bytesOf, DTYPES, swapBytes, viewAs } from './dtypes.js';
import { LIMITS } from './limits.js';
import { Global, Instance, OpaqueInstance } from './pickled.js';
import { type TorchStorage, viewOf } from './storage.js';
import { Unreadable } from './values.js';

/** numpy's type codes, and the type that holds their values here. */
const KINDS: Record<string, { bytes: number; dtype: HostDType }> = {
  f8: { bytes: 8, dtype: 'float64' },
  f4: { bytes: 4, dtype: 'float32' },
  f2: { bytes: 2, dtype: 'float16' },
  i8: { bytes: 8, dtype: 'int64' },
  i4: { bytes: 4, dtype: 'int32' },
  i2: { bytes: 2, dtype: 'int16' },
  i1: { bytes: 1, dtype: 'int8' },
  u8: { bytes: 8, dtype: 'int64' },
  u4: { bytes: 4, dtype: 'int64' },
  u2: { bytes: 2, dtype: 'int32' },
  u1: { bytes: 1, dtype: 'uint8' },
  b1: { bytes: 1, dtype: 'bool' },
};

/** Types that stand for no numbers, by the first letter of their code, as numpy names them. */
const FOREIGN_KINDS: Record<string, string> = {
  M: 'datetime64',
  m: 'timedelta64',
  c: 'complex',
  f: 'longdouble',
  V: 'void (records)',
  O: 'object',
};

class NumpyDType extends Instance {
  bigEndian = false;
  constructor(readonly code: string) {
    super();
  }

  /** Whether the elements are numbers of a kind that a checkpoint knows. */
  get isNumeric(): boolean {
    return Object.hasOwn(KINDS, this.code);
  }

  get name(): string {
    return `numpy.${FOREIGN_KINDS[this.code[0]] ?? this.code.slice(0, 40)}`;
  }

  /** The texts (U) or bytes (S) of an array; undefined for other types. */
  texts(raw: Uint8Array): (string | Uint8Array)[] | undefined {
    const width = /^[US]([1-9]\d{0,8})$/.exec(this.code)?.[1];
    if (!width) return undefined;
    const size = Number(width) * (this.code[0] === 'U' ? 4 : 1);
    if (raw.length / size > LIMITS.objects) return undefined;
    const items: (string | Uint8Array)[] = [];
    for (let at = 0; at + size <= raw.length; at += size) {
      const bytes = new Uint8Array(raw.subarray(at, at + size));
      if (this.code[0] === 'S') items.push(bytes);
      else {
        if (this.bigEndian) swapBytes(bytes, 4);
        items.push(textOf(new Uint32Array(bytes.buffer)));
      }
    }
    return items;
  }

  override setState(state: unknown): void {
    if (!Array.isArray(state)) throw new TypeError('a numpy dtype state that is not a tuple');
    this.bigEndian = state[1] === '>';
  }

  override plain(): unknown {
    return this.code;
  }

  /** The elements in a type that a checkpoint knows. */
  elements(raw: Uint8Array): { dtype: HostDType; bytes: Uint8Array } {
    const { bytes: size, dtype } = KINDS[this.code];
    const bytes = new Uint8Array(raw);
    if (this.bigEndian) swapBytes(bytes, size);
    if (this.code === 'u2') return { dtype, bytes: bytesOf(Int32Array.from(new Uint16Array(bytes.buffer))) };
    if (this.code === 'u4') {
      return { dtype, bytes: bytesOf(BigInt64Array.from(new Uint32Array(bytes.buffer), BigInt)) };
    }
    if (this.code === 'u8' && new BigInt64Array(bytes.buffer).some((value) => value < 0n)) {
      throw new TypeError('whole numbers above 2^63');
    }
    return { dtype, bytes };
  }
}

/** UTF-32 as numpy pads it. @throws RangeError for what is not a character. */
function textOf(codes: Uint32Array): string {
  return Array.from(codes, (code) => String.fromCodePoint(code))
    .join('')
    .replace(/\0+$/, '');
}

/** A numpy array: of numbers, a tensor; of texts or objects, a flat list; of other types, only their name. */
class NumpyArray extends Instance {
  #made: unknown;

  constructor(private readonly error: TorchStorage['error']) {
    super();
  }

  override setState(state: unknown): void {
    if (!Array.isArray(state)) throw new TypeError('a numpy array state that is not a tuple');
    const [shape, dtype, fortran, raw] = state.length === 5 ? state.slice(1) : state;
    this.fill(raw, dtype, shape, fortran === true);
  }

  fill(raw: unknown, dtype: unknown, shape: unknown, fortran: boolean): void {
    if (!Array.isArray(shape)) throw new TypeError('a numpy array of unknown form');
    if (!(dtype instanceof NumpyDType && dtype.isNumeric)) {
      this.#made = plainItems(raw, dtype) ?? new Unreadable(`an array of ${nameOf(dtype)}`);
      return;
    }
    const { bytes, dtype: type } = dtype.elements(bytesIn(raw));
    if (!shape.every(Number.isSafeInteger)) throw new TypeError('a numpy array of impossible shape');
    if (sizeOf(shape) * DTYPES[type].bytes !== bytes.length) throw new TypeError('a numpy array cut short');
    const storage: TorchStorage = {
      key: '',
      dtype: type,
      length: bytes.length,
      bigEndian: false,
      read: async (offset, length) => bytes.slice(offset, offset + length),
      error: this.error,
    };
    // A fresh object for each array: none shares its numbers with another.
    this.#made = { ...viewOf(storage, type, 0, shape, stridesOf(shape, fortran)), identity: bytes };
  }

  override plain(): unknown {
    if (this.#made === undefined) throw this.error('is damaged', 'a numpy array without its numbers');
    return this.#made;
  }
}

/** The items of an array of objects or texts. */
function plainItems(raw: unknown, dtype: unknown): unknown[] | undefined {
  if (!(dtype instanceof NumpyDType)) return undefined;
  if (Array.isArray(raw)) return raw;
  return typeof raw === 'string' || raw instanceof Uint8Array ? dtype.texts(bytesIn(raw)) : undefined;
}

const nameOf = (dtype: unknown) => (dtype instanceof NumpyDType ? dtype.name : 'an unknown type');

function stridesOf(shape: readonly number[], fortran: boolean): number[] {
  const strides = shape.map(() => 1);
  const axes = shape.map((_, i) => i);
  if (!fortran) axes.reverse();
  let stride = 1;
  for (const axis of axes) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Bytes, or the text that Python 2 wrote for them. */
function bytesIn(raw: unknown): Uint8Array {
  if (raw instanceof Uint8Array) return raw;
  if (typeof raw === 'string') return Buffer.from(raw, 'latin1');
  throw new TypeError('numbers that are not bytes');
}

function scalar(args: readonly unknown[]): unknown {
  const [dtype, raw] = args;
  if (raw === undefined) throw new TypeError('a numpy scalar of unknown form');
  if (!(dtype instanceof NumpyDType && dtype.isNumeric)) {
    return plainItems(raw, dtype)?.[0] ?? new OpaqueInstance(nameOf(dtype));
  }
  const { bytes, dtype: type } = dtype.elements(bytesIn(raw));
  if (bytes.length !== DTYPES[type].bytes) throw new TypeError('a numpy scalar cut short');
  const value = viewAs(type, bytes)[0];
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (type === 'bool') return value !== 0;
  return type === 'float16' ? halfValue(value) : value;
}

/** numpy's names, old and new. */
export function numpyGlobals(error: TorchStorage['error']): Global[] {
  const ndarray = new Global('numpy.ndarray');
  const globals = [
    ndarray,
    new Global('numpy.dtype', {
      call: ([code]) => {
        return typeof code === 'string' ? new NumpyDType(code) : new OpaqueInstance('numpy.dtype');
      },
    }),
  ];
  for (const core of ['numpy.core', 'numpy._core']) {
    globals.push(
      new Global(`${core}.multiarray.scalar`, { call: scalar }),
      new Global(`${core}.multiarray._reconstruct`, {
        call: ([type]) => {
          if (type === ndarray) return new NumpyArray(error);
          return new OpaqueInstance(type instanceof Global ? type.name : 'an array of unknown class');
        },
      }),
      new Global(`${core}.numeric._frombuffer`, {
        call: ([raw, dtype, shape, order]) => {
          const array = new NumpyArray(error);
          array.fill(raw, dtype, shape, order === 'F');
          return array;
        },
      }),
    );
  }
  return globals;
}
