import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createGunzip } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import type { Entry } from 'yauzl';
import { DataError, messageOf } from '../common/errors.js';
import { explainWriteFailure, syncFolder } from '../common/files.js';
import { openZip } from './zip_file.js';

export interface UnpackOptions {
  /** Where a member goes, relative to the folder; undefined leaves it out. As it is named by default. */
  pick?: (name: string) => string | undefined;
  /** Bytes of all files together; 200 times the archive's size and a mebibyte by default. */
  maxBytes?: number;
  maxFiles?: number;
  /** Called after each file. */
  progress?: (files: number, bytes: number) => void;
}

export interface Unpacked {
  files: number;
  bytes: number;
}

/**
 * Unpacks a .zip, .tar or .tar.gz archive into a new folder. It is filled aside and takes its name when it
 * is whole; what an interrupted call unpacked from a zip is kept and not unpacked again.
 * @throws DataError when the archive is damaged, when a member would lie outside the folder or is a link or
 * a device, when there is more than the limits allow, or when the disk is full.
 */
export async function unpackArchive(
  archive: string,
  folder: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  const aside = `${folder}.unpacking`;
  let handle: FileHandle | undefined;
  try {
    handle = await open(archive, 'r');
    const { size } = await handle.stat();
    const limits = {
      maxBytes: options.maxBytes ?? 200 * size + 2 ** 20,
      maxFiles: options.maxFiles ?? 1_000_000,
    };
    const out = new Folder(archive, aside, limits, options);
    await mkdir(aside, { recursive: true });
    const head = Buffer.alloc(512);
    await handle.read(head, 0, 512, 0);
    if (head.toString('latin1', 0, 2) === 'PK') await unpackZip(handle, size, out);
    else if (head[0] === 0x1f && head[1] === 0x8b)
      await unpackTar(createReadStream(archive).pipe(createGunzip()), out);
    else if (head.toString('latin1', 257, 262) === 'ustar') await unpackTar(createReadStream(archive), out);
    else
      throw new DataError('the file is not an archive', { where: archive, allowed: '.zip, .tar, .tar.gz' });
    await rename(aside, folder);
    await syncFolder(dirname(resolve(folder)));
    return { files: out.files, bytes: out.bytes };
  } catch (thrown) {
    if (thrown instanceof DataError) {
      await rm(aside, { recursive: true, force: true });
      throw thrown;
    }
    throw new DataError('the archive cannot be unpacked', {
      where: archive,
      found: explainWriteFailure(thrown),
      help: 'if it is damaged, remove it and download it again',
      cause: thrown,
    });
  } finally {
    await handle?.close();
  }
}

/** The folder being filled: it knows what may lie in it. */
class Folder {
  files = 0;
  bytes = 0;

  constructor(
    private readonly archive: string,
    private readonly root: string,
    readonly limits: { maxBytes: number; maxFiles: number },
    private readonly options: UnpackOptions,
  ) {}

  /** The absolute path of a member, or undefined where it is left out. */
  place(name: string): string | undefined {
    const unsafe = /^[/\\]|^[A-Za-z]:|\\|\0/.test(name) || name.split('/').includes('..');
    if (unsafe) throw this.refuse(`it holds '${name.slice(0, 200)}', which would lie outside its folder`);
    const picked = this.options.pick ? this.options.pick(name) : name;
    if (!picked) return undefined;
    const path = resolve(this.root, picked);
    const inside = relative(this.root, path);
    if (inside === '' || inside.split(sep)[0] === '..') {
      throw this.refuse(`'${name.slice(0, 200)}' would lie outside its folder`);
    }
    return path;
  }

  /** Counts a file of `size` bytes, before any is written. */
  admit(size: number): void {
    this.files++;
    this.bytes += size;
    if (this.files > this.limits.maxFiles)
      throw this.refuse(`it holds more than ${this.limits.maxFiles} files`);
    if (this.bytes > this.limits.maxBytes) {
      throw this.refuse(`it unpacks to more than ${this.limits.maxBytes} bytes, far beyond its own size`);
    }
  }

  async write(
    path: string,
    content: () => Promise<AsyncIterable<unknown>>,
    size: number,
    sum?: number,
  ): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    const aside = `${path}.part`;
    const check = new Check(size);
    // Opened last: a stream that fails before anybody listens would end the process.
    await pipeline(await content(), check, createWriteStream(aside));
    if (check.size !== size || (sum !== undefined && check.sum !== sum)) {
      throw this.refuse(`'${relative(this.root, path)}' is damaged`);
    }
    await rename(aside, path);
    this.options.progress?.(this.files, this.bytes);
  }

  refuse(found: string): DataError {
    return new DataError('the archive is refused', { where: this.archive, found });
  }
}

/** Counts and sums bytes on their way, and stops at the first one too many. */
class Check extends Transform {
  size = 0;
  sum = 0;

  constructor(private readonly limit: number) {
    super();
  }

  override _transform(chunk: Buffer, _: string, done: (error: Error | null, chunk?: Buffer) => void): void {
    this.size += chunk.length;
    this.sum = crc32(chunk, this.sum);
    if (this.size > this.limit) done(new RangeError('a member is larger than it says'));
    else done(null, chunk);
  }
}

const SYMLINK = 0o120000;
const KIND = 0o170000;

async function unpackZip(handle: FileHandle, size: number, out: Folder): Promise<void> {
  const zip = await openZip(handle.fd, size);
  if (zip.entryCount > out.limits.maxFiles) throw out.refuse(`it holds ${zip.entryCount} files`);
  const members: { entry: Entry; path: string }[] = [];
  // All is looked at before anything is written.
  for await (const entry of zip.eachEntry()) {
    const path = out.place(entry.fileName);
    if (entry.fileName.endsWith('/') || !path) continue;
    const mode = (entry.externalFileAttributes >>> 16) & KIND;
    if (mode === SYMLINK || (mode !== 0 && mode !== 0o100000)) {
      throw out.refuse(`'${entry.fileName.slice(0, 200)}' is a link or a device`);
    }
    out.admit(entry.uncompressedSize);
    members.push({ entry, path });
  }
  for (const { entry, path } of members) {
    const there = await stat(path).catch(() => undefined);
    if (there?.isFile() && there.size === entry.uncompressedSize) continue;
    const content = () =>
      zip.openReadStreamPromise(entry).catch((thrown) => {
        throw out.refuse(`'${entry.fileName.slice(0, 200)}': ${messageOf(thrown)}`);
      });
    await out.write(path, content, entry.uncompressedSize, entry.crc32);
  }
}

async function unpackTar(bytes: Readable, out: Folder): Promise<void> {
  const members = extract();
  bytes.on('error', (error) => members.destroy(error));
  bytes.pipe(members);
  try {
    for await (const member of members) {
      await unpackMember(member.header, member, out);
      member.resume();
    }
  } finally {
    bytes.destroy();
  }
}

async function unpackMember(header: Header, content: AsyncIterable<unknown>, out: Folder): Promise<void> {
  const path = out.place(header.name.replace(/^\.\/+/, ''));
  if (header.type === 'directory' || !path) return;
  if (header.type !== 'file' && header.type !== 'contiguous-file') {
    throw out.refuse(`'${header.name.slice(0, 200)}' is a ${header.type}`);
  }
  out.admit(header.size ?? 0);
  await out.write(path, async () => chunksOf(content), header.size ?? 0);
}

/** The chunks alone: Node's pipeline waits forever for the end of tar-stream's own kind of stream. */
async function* chunksOf(content: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  yield* content;
}
