import { unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { isTensorRef, openCheckpoint, saveSafetensors } from '../../checkpoint/index.js';
import { DataError, LavisError, messageOf } from '../../common/errors.js';
import { explainWriteFailure } from '../../common/files.js';
import { convertFloat, type HostTensor, toFloat32 } from '../../common/host_tensor.js';
import type { NumericArray } from '../types.js';

/** One view of one picture. */
export interface EmbedsPlace {
  /** Of one encoder and one processor, by whose hash it is named. */
  folder: string;
  /** Hash of the picture's file. */
  picture: string;
  /** Which of its views, from 0. */
  view: number;
}

/** A safetensors file of one tensor, float16, in folders that stay small. */
export const embedsPath = ({ folder, picture, view }: EmbedsPlace): string =>
  join(folder, picture.slice(0, 2), `${picture}-${view}.safetensors`);

const TENSOR = 'image_embeds';

/** What a file says of itself: with another picture's name, or in another folder, it is not taken for what it is not. */
const aboutOf = ({ folder, picture, view }: EmbedsPlace, data: NodeJS.ArrayBufferView) => ({
  key: basename(folder),
  picture,
  view: String(view),
  crc32: crc32(data).toString(16),
});

/**
 * Keeps a view's embeddings in half the room: float16, of which layer norm's numbers lose no more than 1 in 2048.
 * @throws DataError for numbers that float16 does not have, and where the file cannot be written
 */
export async function writeEmbeds(place: EmbedsPlace, { data, shape }: NumericArray): Promise<void> {
  const tensor = convertFloat({ dtype: 'float32', shape, data: data as Float32Array }, 'float16');
  const path = embedsPath(place);
  if (!(tensor.data as Uint16Array).every(isFinite16)) {
    throw new DataError('embeddings of an image do not fit into float16', {
      where: path,
      found: 'numbers beyond 65504, or NaN',
      help: 'run.cache_image_embeds=False',
    });
  }
  try {
    await saveSafetensors(path, new Map([[TENSOR, tensor]]), aboutOf(place, tensor.data));
  } catch (cause) {
    throw new DataError('embeddings of an image cannot be written', {
      where: path,
      found: cause instanceof LavisError ? cause.details.found : explainWriteFailure(cause),
      help: 'free space (lavis cache --clear), LAVIS_CACHE_ROOT=FOLDER, or run.cache_image_embeds=False',
      cause,
    });
  }
}

const isFinite16 = (bits: number) => (bits & 0x7c00) !== 0x7c00;

/** @throws DataError for a file that is not there, not whole, or another's */
export async function readEmbeds(place: EmbedsPlace): Promise<NumericArray> {
  const tensor = await open(place);
  return { data: toFloat32(tensor), shape: tensor.shape };
}

/** Whether a view is there, whole and of this shape; what is in its place else is removed. */
export async function checkEmbeds(
  place: EmbedsPlace,
  shape: readonly number[],
): Promise<'there' | 'absent' | 'removed'> {
  const tensor = await open(place).catch(() => undefined);
  if (tensor && String(tensor.shape) === String(shape)) return 'there';
  return unlink(embedsPath(place)).then(
    () => 'removed',
    () => 'absent',
  );
}

async function open(place: EmbedsPlace): Promise<HostTensor> {
  const path = embedsPath(place);
  try {
    const { root, metadata, close } = await openCheckpoint(path);
    try {
      const ref = root instanceof Map ? root.get(TENSOR) : undefined;
      const tensor = isTensorRef(ref) && ref.dtype === 'float16' ? await ref.read() : undefined;
      const about = tensor && Object.entries(aboutOf(place, tensor.data));
      if (tensor && about?.every(([name, value]) => metadata[name] === value)) return tensor;
      throw new DataError('it holds something else');
    } finally {
      await close();
    }
  } catch (cause) {
    throw new DataError('remembered embeddings of an image cannot be read', {
      where: path,
      found: messageOf(cause).split('\n')[0],
      help: 'run lavis train --resume: damaged or missing embeddings are computed again',
      cause,
    });
  }
}
