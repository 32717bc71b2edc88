import { CheckpointError } from '../common/errors.js';
import { readSafetensors } from './safetensors.js';
import { Source } from './source.js';
import { readTorchLegacy } from './torch_legacy.js';
import { readTorchZip } from './torch_zip.js';
import { dictEntries, isTensorRef, type TensorRef } from './values.js';

export type CheckpointFormat = 'pth' | 'pth-legacy' | 'safetensors';

/** An open checkpoint file: its structure in memory, its numbers still in the file. */
export interface Checkpoint {
  readonly path: string;
  readonly format: CheckpointFormat;
  /** Dicts as plain objects (text keys) or Maps, lists and tuples as arrays, TensorRef leaves. */
  readonly root: unknown;
  /** safetensors: the texts of `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The weights: what lies under "model" (or "state_dict"), or the file itself where it is a bare state
   * dict. @throws CheckpointError when there are none.
   */
  stateDict(): Map<string, TensorRef>;
  close(): Promise<void>;
}

/**
 * Opens a PyTorch file (zip or legacy) or a safetensors file of any size. Only weights and plain data are
 * read: a pickle that asks for anything else is refused, and never run.
 * @throws CheckpointError when the file is none of these, is damaged or asks too much.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const source = await Source.open(path);
  try {
    const format = await detect(source);
    let metadata: Record<string, string> = {};
    let root: unknown;
    if (format === 'pth') root = await readTorchZip(source);
    else if (format === 'pth-legacy') root = await readTorchLegacy(source);
    else ({ tensors: root, metadata } = await readSafetensors(source));
    return {
      path,
      format,
      root,
      metadata,
      stateDict: () => stateDictOf(root, path),
      close: () => source.close(),
    };
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

const ALLOWED = 'a PyTorch file (.pth, .pt, .bin) or a .safetensors file';

/** Tells the format by the first bytes, and what a file is that is no checkpoint. */
async function detect(source: Source): Promise<CheckpointFormat> {
  const head = await source.read(0, Math.min(64, source.size));
  const text = head.toString('latin1');
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return 'pth';
  const header = head.length >= 9 && head[8] === 0x7b ? head.readBigUInt64LE() : 0n;
  // A safetensors header of 0x…0280 bytes begins as a pickle does.
  if (header >= 2n && header <= BigInt(source.size)) return 'safetensors';
  if (head[0] === 0x80 && head[1] >= 2 && head[1] <= 5) return 'pth-legacy';
  if (header >= 2n) return 'safetensors'; // cut off
  throw new CheckpointError('the file is not a checkpoint', {
    where: source.path,
    found: describe(head, text),
    allowed: ALLOWED,
    help: source.size < 1_000_000 ? 'if it was downloaded, remove it and download it again' : undefined,
  });
}

function describe(head: Buffer, text: string): string {
  if (head.length === 0) return 'an empty file';
  if (/^\s*<(!doctype|html|\?xml|head)/i.test(text))
    return 'a web page: the download went wrong or needs a login';
  if (text.startsWith('version https://git-lfs')) return 'a Git LFS pointer: run git lfs pull';
  if (text.startsWith('\x1f\x8b')) return 'a gzip archive: unpack it first';
  if (text.startsWith('\x89HDF')) return 'an HDF5 file';
  if (/^[\x20-\x7e\s]+$/.test(text)) return `text: ${JSON.stringify(text.slice(0, 40))}`;
  return `bytes ${head.subarray(0, 8).toString('hex')}`;
}

function stateDictOf(root: unknown, path: string): Map<string, TensorRef> {
  const top = dictEntries(root);
  const nested = top?.find(([key]) => key === 'model') ?? top?.find(([key]) => key === 'state_dict');
  for (const entries of [nested && dictEntries(nested[1]), top]) {
    const tensors = (entries ?? []).filter(
      (entry): entry is [string, TensorRef] => typeof entry[0] === 'string' && isTensorRef(entry[1]),
    );
    if (tensors.length > 0) return new Map(tensors);
  }
  throw new CheckpointError('the checkpoint holds no weights', {
    where: path,
    found: top
      ? `keys ${
          top
            .map(([key]) => String(key))
            .slice(0, 10)
            .join(', ') || '(none)'
        }`
      : typeof root,
    allowed: '"model" with tensors by name, or tensors by name',
  });
}
