import { CheckpointError } from '../common/errors.js';
import type { Checkpoint, CheckpointFormat } from './checkpoint.js';
import { DTYPE_NAMES } from './dtypes.js';
import { readSafetensors } from './safetensors.js';
import { fileInFolder, isIndex, openShards } from './shards.js';
import { Source, sourceError } from './source.js';
import { findStateDict, pickledObject, type StateDict } from './state_dict.js';
import { readTorchLegacy } from './torch_legacy.js';
import { refusal } from './torch_pickle.js';
import { readTorchZip } from './torch_zip.js';
import { dictEntries } from './values.js';

/**
 * Opens a PyTorch file (zip or legacy) or a safetensors file of any size; or several that an index
 * (`*.index.json`) names; or a folder with such a file, as Hugging Face's libraries write it. Only weights and
 * plain data are read: nothing in a pickle is ever run, and one that asks for what runs code is refused.
 * @throws CheckpointError when the file is none of these, is damaged or asks too much.
 */
export async function openCheckpoint(place: string): Promise<Checkpoint> {
  const path = fileInFolder(place);
  if (isIndex(path)) {
    const { root, close } = await openShards(path, openFile);
    const format = path.endsWith('.safetensors.index.json') ? 'safetensors' : 'pth';
    return { path, format, root, metadata: {}, ...weightsOf(root, path), close };
  }
  return openFile(path);
}

async function openFile(path: string): Promise<Checkpoint> {
  const source = await Source.open(path);
  try {
    const format = await detect(source);
    let metadata: Record<string, string> = {};
    let root: unknown;
    if (format === 'pth') root = await readTorchZip(source);
    else if (format === 'pth-legacy') root = await readTorchLegacy(source);
    else ({ tensors: root, metadata } = await readSafetensors(source));
    return { path, format, root, metadata, ...weightsOf(root, path), close: () => source.close() };
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

function weightsOf(root: unknown, path: string): Pick<Checkpoint, 'stateDict' | 'unreadable' | 'attributes'> {
  let found: StateDict | undefined;
  const weights = () => (found ??= stateDictOf(root, path));
  return {
    stateDict: () => new Map(weights().tensors),
    unreadable: () => new Map(weights().unreadable),
    attributes: () => weights().attributes,
  };
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

/** The weights, which are looked for when they are first asked for. @throws CheckpointError when there are none. */
function stateDictOf(root: unknown, path: string): StateDict {
  const found = findStateDict(root);
  if (found && found.tensors.size > 0) return found;
  const where = { where: path };
  if (found) {
    const [[name, kind]] = found.unreadable;
    throw new CheckpointError('the checkpoint holds elements of an unknown type only', {
      ...where,
      found: `${found.unreadable.size} tensors, the first, '${name.slice(0, 200)}', is ${kind}`,
      allowed: DTYPE_NAMES.join(', '),
      help: 'in Python: convert them with .float() and save the state dict again',
    });
  }
  const object = pickledObject(root);
  if (object) throw refusal({ error: (what, f, c, help) => sourceError(path, what, f, c, help) }, object);
  const keys = dictEntries(root)?.map(([key]) => String(key));
  throw new CheckpointError('the checkpoint holds no weights', {
    ...where,
    found: keys ? `keys ${keys.slice(0, 10).join(', ') || '(none)'}` : typeof root,
    allowed: '"model" (or "state_dict", "net", …) with tensors by name, or tensors by name',
  });
}
