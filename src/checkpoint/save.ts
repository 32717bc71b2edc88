import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { CheckpointError } from '../common/errors.js';
import { explainWriteFailure, writeAside } from '../common/files.js';
import { type HostTensor, sizeOf } from '../common/host_tensor.js';
import { bytesOf, DTYPES } from './dtypes.js';
import { Pickler } from './pickler.js';
import { type CheckpointValue, isHostTensor, type SavedTensor } from './values.js';
import { type Sink, ZipWriter } from './zip_writer.js';

/** One call of write(2) takes less than 2 GiB. */
const CHUNK = 2 ** 30;

/**
 * Writes the file that torch.save would write: a zip of one pickle and one member for each storage, tied
 * tensors sharing theirs. Tensors are read one at a time; the file appears whole or not at all.
 * @throws CheckpointError when a value cannot be saved or the disk is full; an older file stays as it was.
 */
export async function saveTorch(path: string, value: CheckpointValue): Promise<void> {
  await save(path, async (sink) => {
    const pickler = new Pickler();
    const pickle = pickler.dump(value);
    const folder = archiveName(path);
    const zip = new ZipWriter(sink);
    await zip.add(`${folder}/data.pkl`, pickle);
    await zip.add(`${folder}/byteorder`, Buffer.from('little'));
    for (const { key, tensor } of pickler.storages)
      await zip.add(`${folder}/data/${key}`, await numbersOf(tensor));
    await zip.add(`${folder}/version`, Buffer.from('3\n'));
    await zip.finish();
  });
}

/**
 * Writes a safetensors file, one tensor at a time; tied tensors are stored twice, as the format asks.
 * @param metadata texts for `__metadata__`.
 * @throws CheckpointError as saveTorch.
 */
export async function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SavedTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await save(path, async (sink) => {
    // Wide elements first, so that all lie where their type may lie.
    const order = [...tensors].sort(([, a], [, b]) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
    const header: Record<string, unknown> = {};
    if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
    let at = 0;
    for (const [name, { dtype, shape }] of order) {
      const end = at + sizeOf(shape) * DTYPES[dtype].bytes;
      header[name] = { dtype: DTYPES[dtype].safetensors, shape, data_offsets: [at, end] };
      at = end;
    }
    const json = Buffer.from(JSON.stringify(header), 'utf8');
    const head = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
    head.writeBigUInt64LE(BigInt(head.length - 8));
    json.copy(head, 8);
    await sink(head);
    for (const [, tensor] of order) await sink(await numbersOf(tensor));
  });
}

/** The bytes of a tensor, which must be what it said it would be. */
async function numbersOf(tensor: SavedTensor): Promise<Uint8Array> {
  const { dtype, shape, data }: HostTensor = isHostTensor(tensor) ? tensor : await tensor.read();
  const bytes = bytesOf(data);
  if (dtype !== tensor.dtype || bytes.length !== sizeOf(tensor.shape) * DTYPES[tensor.dtype].bytes) {
    throw new TypeError(`a tensor said ${tensor.dtype} [${tensor.shape}] and gave ${dtype} [${shape}]`);
  }
  return bytes;
}

async function save(path: string, fill: (sink: Sink) => Promise<void>): Promise<void> {
  try {
    await writeAside(path, (handle) => fill((bytes) => writeAll(handle, bytes)));
  } catch (thrown) {
    if (thrown instanceof CheckpointError) throw thrown;
    const system = (thrown as NodeJS.ErrnoException)?.code !== undefined;
    throw new CheckpointError('cannot write the checkpoint', {
      where: path,
      found: explainWriteFailure(thrown),
      help: system
        ? 'an older checkpoint of that name is unchanged; free space, or write elsewhere: run.output_dir'
        : undefined,
      cause: thrown,
    });
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(CHUNK, bytes.byteLength - done));
    done += bytesWritten;
  }
}

/** The folder inside the archive: the file's name, as PyTorch chooses it. */
function archiveName(path: string): string {
  const stem = basename(path).replace(/\.[^.]*$/, '');
  return /^[\x20-\x7e]+$/.test(stem) ? stem : 'archive';
}
