import { sizeOf } from '../common/host_tensor.js';
import {
  DTYPE_NAMES,
  DTYPES,
  type ElementType,
  FOREIGN_DTYPE_NAMES,
  FOREIGN_DTYPES,
  isForeign,
  viewAs,
} from './dtypes.js';
import { LIMITS } from './limits.js';
import type { Source } from './source.js';
import { type TensorRef, Unreadable } from './values.js';

export interface SafetensorsFile {
  tensors: Map<string, TensorRef | Unreadable>;
  metadata: Record<string, string>;
}

const BY_CODE = new Map<string | undefined, ElementType>([
  ...FOREIGN_DTYPE_NAMES.map((dtype) => [FOREIGN_DTYPES[dtype].safetensors, dtype] as const),
  ...DTYPE_NAMES.map((dtype) => [DTYPES[dtype].safetensors, dtype] as const),
]);

/** The length of a JSON header in eight bytes, the header, the numbers. Source: huggingface/safetensors. */
export async function readSafetensors(source: Source): Promise<SafetensorsFile> {
  const length = (await source.read(0, 8)).readBigUInt64LE();
  if (length > BigInt(LIMITS.headerBytes))
    throw source.error('is damaged', `a safetensors header of ${length} bytes`);
  const header = parseHeader(source, await source.read(8, Number(length)));
  const start = 8 + Number(length);
  const tensors = new Map<string, TensorRef | Unreadable>();
  const metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      for (const [key, value] of Object.entries(entry ?? {})) {
        if (typeof value === 'string') metadata[key] = value;
      }
    } else tensors.set(name, tensorOf(source, name, entry, start));
  }
  return { tensors, metadata };
}

function parseHeader(source: Source, bytes: Buffer): Record<string, unknown> {
  if (!isModest(bytes)) throw source.error('is damaged', 'a safetensors header of endless values');
  try {
    const header: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) {
      return header as Record<string, unknown>;
    }
  } catch (thrown) {
    throw source.error('is damaged', 'a safetensors header that is not JSON', thrown);
  }
  throw source.error('is damaged', 'a safetensors header that is not an object');
}

/** Whether JSON has no more values, nor deeper ones, than a header can need: parsed, each takes far more room. */
function isModest(json: Buffer): boolean {
  let values = 0;
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (quoted) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x2c) values++;
    else if (byte === 0x5b || byte === 0x7b) {
      values++;
      depth++;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
    if (values > LIMITS.headerValues || depth > LIMITS.headerDepth) return false;
  }
  return true;
}

function tensorOf(source: Source, name: string, entry: unknown, start: number): TensorRef | Unreadable {
  const { dtype: code, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const where = `tensor '${name.slice(0, 200)}'`;
  if (typeof code !== 'string') throw source.error('holds elements of an unknown type', `${where}: none`);
  const dtype = BY_CODE.get(code);
  const natural = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  const isShape = Array.isArray(shape) && shape.length <= LIMITS.dimensions && shape.every(natural);
  if (!isShape || !Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(natural)) {
    throw source.error('is damaged', `${where} without a shape or place`);
  }
  const [from, to] = offsets as [number, number];
  const readable = dtype && !isForeign(dtype) ? dtype : undefined;
  if (readable && to - from !== sizeOf(shape) * DTYPES[readable].bytes) {
    throw source.error('is damaged', `${where}: shape [${shape}] does not fill ${to - from} bytes`);
  }
  if (start + to > source.size)
    throw source.error('is cut short', `${source.size} bytes, ${where} ends at ${start + to}`);
  if (!readable) {
    const known = dtype ? ` (${dtype})` : '';
    return new Unreadable(`a tensor of ${code.slice(0, 40)}${known}`);
  }
  return {
    dtype: readable,
    shape: Object.freeze(shape),
    identity: `${from}-${to}/${dtype}/${shape}`,
    read: async () => ({
      dtype: readable,
      shape,
      data: viewAs(readable, await source.read(start + from, to - from)),
    }),
  };
}
