import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CheckpointError, messageOf } from '../common/errors.js';
import type { Checkpoint } from './checkpoint.js';
import type { TensorRef } from './values.js';

/** The names that Hugging Face's libraries give to weights in a folder, the first that is there. */
const IN_A_FOLDER = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];

/** The file to open for a folder of weights; the path itself where it is not one. */
export function fileInFolder(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  const name = IN_A_FOLDER.find((candidate) => existsSync(join(path, candidate)));
  return name ? join(path, name) : path;
}

export const isIndex = (path: string): boolean => path.endsWith('.index.json');

/** The files that hold the numbers of weights: one, or the parts that an index names, by name. */
export async function filesOfWeights(place: string): Promise<string[]> {
  const path = fileInFolder(place);
  if (!isIndex(path)) return [path];
  const parts = new Set((await readIndex(path)).map(([, file]) => file));
  return [...parts].sort().map((file) => join(dirname(path), file));
}

/** Which part of how many a file's name says it is: "model-00001-of-00002.safetensors". */
export function shardOf(path: string): { number: number; count: number } | undefined {
  const found = /-(\d+)-of-(\d+)\.[a-z]+$/i.exec(basename(path));
  if (!found || Number(found[2]) < 2) return undefined;
  return { number: Number(found[1]), count: Number(found[2]) };
}

/** The index beside a shard, where it is there. */
export function indexOfShard(path: string): string | undefined {
  const index = path.replace(/-\d+-of-\d+(\.[a-z]+)$/i, '$1.index.json');
  return index !== path && existsSync(index) ? index : undefined;
}

/** Opens the files that an index names as one checkpoint. @throws CheckpointError for one that is not there. */
export async function openShards(
  path: string,
  open: (path: string) => Promise<Checkpoint>,
): Promise<Pick<Checkpoint, 'root' | 'close'>> {
  const files = await readIndex(path);
  const opened = new Map<string, Checkpoint>();
  const close = async () => {
    for (const checkpoint of opened.values()) await checkpoint.close();
  };
  try {
    const root = new Map<string, unknown>();
    for (const [tensor, file] of files) {
      let shard = opened.get(file);
      if (!shard) opened.set(file, (shard = await openShard(path, file, open)));
      const ref = shard.stateDict().get(tensor) ?? kindOf(shard, tensor);
      if (!ref) throw damaged(path, `'${tensor}', which ${file} does not hold`);
      root.set(tensor, ref);
    }
    return { root, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** What stands for a tensor that cannot be read. */
const kindOf = (shard: Checkpoint, tensor: string) =>
  shard.unreadable().has(tensor) ? (shard.root as Map<string, TensorRef>).get(tensor) : undefined;

async function openShard(index: string, file: string, open: (path: string) => Promise<Checkpoint>) {
  const path = join(dirname(index), file);
  if (existsSync(path)) return open(path);
  throw new CheckpointError('a part of the checkpoint is not there', {
    where: path,
    found: `named in ${basename(index)}`,
    help: 'all parts lie in one folder, with the index: copy or download what is missing',
  });
}

async function readIndex(path: string): Promise<[string, string][]> {
  let index: unknown;
  try {
    index = JSON.parse(await readFile(path, 'utf8'));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new CheckpointError('there is no such checkpoint', { where: path, cause: thrown });
    }
    throw damaged(path, messageOf(thrown), thrown);
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null) throw damaged(path, 'no "weight_map"');
  const files = Object.entries(map);
  for (const [, file] of files) {
    // An index names files beside it, and none elsewhere.
    if (typeof file !== 'string' || file !== basename(file) || isIndex(file)) {
      throw damaged(path, `${JSON.stringify(file)}, which is not the name of a file beside it`);
    }
  }
  if (files.length === 0) throw damaged(path, 'an empty "weight_map"');
  return files as [string, string][];
}

const damaged = (path: string, found: string, cause?: unknown) =>
  new CheckpointError('the index of the checkpoint cannot be used', {
    where: path,
    found,
    allowed: '{"weight_map": {TENSOR: FILE, …}}, the files beside the index',
    cause,
  });
