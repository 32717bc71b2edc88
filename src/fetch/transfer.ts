import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { messageOf } from '../common/errors.js';
import { chunksOf, type RequestOptions, request } from './request.js';

/** Why an attempt failed, and whether another may fare better. */
export class TransferError extends Error {
  constructor(
    message: string,
    readonly kind: 'retry' | 'unreachable' | 'final',
    /** What the server asked to wait, in milliseconds. */
    readonly waitMs = 0,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** What is known of a partial file, beside it on disk. */
interface PartialState {
  url: string;
  /** An ETag or a date: the server's word that the rest still belongs to what is there. */
  validator?: string;
  /** Bytes of the whole file. */
  total?: number;
}

const MAX_REDIRECTS = 10;

/**
 * A file on its way: `<path>.part` holds what came, `<path>.part.json` what it belongs to, so that the next
 * attempt, in this process or a later one, asks only for the rest.
 */
export class Transfer {
  readonly part: string;
  readonly #stateFile: string;
  #hash: Hash | undefined;
  #hashed = 0;
  /** How far this attempt came; for messages. */
  #reached: string | undefined;

  constructor(
    private readonly url: string,
    path: string,
    private readonly stallMs: number,
    /** 'md5', 'sha256', or none. */
    private readonly algorithm: string | undefined,
    private readonly progress: (received: number, total: number | undefined) => void = () => {},
  ) {
    this.part = `${path}.part`;
    this.#stateFile = `${path}.part.json`;
  }

  /** Fetches what is missing. Afterwards the part is whole as far as the server tells. @throws TransferError */
  async attempt(): Promise<void> {
    const state = await this.#readState();
    // Without the server's word or a checksum of ours, a rest might be glued to another file's start.
    const mayResume = state?.url === this.url && (state.validator || this.algorithm);
    const have = mayResume ? await bytesOnDisk(this.part) : 0;
    const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'lavis-node' };
    if (have > 0) headers.range = `bytes=${have}-`;
    if (have > 0 && state?.validator) headers['if-range'] = state.validator;
    const response = await follow(this.url, { headers, stallMs: this.stallMs });
    this.#reached = undefined;
    try {
      await this.#receive(response, have, state);
    } catch (thrown) {
      throw thrown instanceof TransferError ? thrown : networkError(thrown, this.#reached);
    } finally {
      response.destroy();
    }
  }

  /** The part's checksum, in hex. */
  async checksum(): Promise<string> {
    await this.#hashUpTo(await bytesOnDisk(this.part));
    return this.#hash!.copy().digest('hex');
  }

  /** Forgets what came. */
  async discard(): Promise<void> {
    this.#hash = undefined;
    this.#hashed = 0;
    await rm(this.part, { force: true });
    await rm(this.#stateFile, { force: true });
  }

  /** Removes what only a partial file needs. */
  async settle(): Promise<void> {
    await rm(this.#stateFile, { force: true });
  }

  async #receive(response: IncomingMessage, have: number, state: PartialState | undefined): Promise<void> {
    const { statusCode = 0, headers } = response;
    if (statusCode === 416 && have > 0) return this.#endOfRange(headers, have);
    if (statusCode !== 200 && statusCode !== 206) throw statusError(statusCode, headers);
    const encoding = headers['content-encoding'];
    if (encoding && encoding !== 'identity') {
      throw new TransferError(`the server encodes the file as ${encoding}, unasked`, 'final');
    }
    if (
      /^text\/html\b/.test(String(headers['content-type'] ?? '')) &&
      !/\.html?$/.test(this.part.slice(0, -5))
    ) {
      throw new TransferError(
        'the server answers with a web page: the address is wrong, or needs a login',
        'final',
      );
    }
    const validator = validatorOf(headers);
    let total: number | undefined;
    let start = 0;
    if (statusCode === 206) {
      const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(String(headers['content-range'] ?? ''));
      total = range && range[3] !== '*' ? Number(range[3]) : undefined;
      const changed =
        (state?.validator && validator && validator !== state.validator) ||
        (state?.total && total && total !== state.total);
      if (!range || Number(range[1]) !== have || changed) {
        await this.discard();
        throw new TransferError('the server sends another part than was asked for', 'retry');
      }
      start = have;
    } else {
      const length = headers['content-length'];
      total = length === undefined ? undefined : Number(length);
      await this.discard();
    }
    const known: PartialState = { url: this.url, validator: validator ?? state?.validator, total };
    await writeFile(this.#stateFile, JSON.stringify(known));
    const received = await this.#store(response, start, total);
    if (total !== undefined && received !== total) {
      if (received > total) await this.discard();
      throw new TransferError(`the connection ended after ${received} of ${total} bytes`, 'retry');
    }
  }

  /** The server has nothing behind what is there: it is whole, or not the file that it was. */
  async #endOfRange(headers: IncomingHttpHeaders, have: number): Promise<void> {
    if (headers['content-range'] === `bytes */${have}`) return;
    await this.discard();
    throw new TransferError('the file on the server has changed', 'retry');
  }

  async #store(body: IncomingMessage, start: number, total: number | undefined): Promise<number> {
    if (this.algorithm) await this.#hashUpTo(start);
    const handle = await open(this.part, start > 0 ? 'r+' : 'w');
    let at = start;
    try {
      this.progress(at, total);
      for await (const chunk of chunksOf(body)) {
        await writeAt(handle, chunk, at);
        at += chunk.length;
        this.#reached = `${at}${total === undefined ? '' : ` of ${total}`} bytes`;
        if (this.#hash) {
          this.#hash.update(chunk);
          this.#hashed = at;
        }
        this.progress(at, total);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    return at;
  }

  /** Brings the running checksum to `size` bytes, reading from disk what it has not seen. */
  async #hashUpTo(size: number): Promise<void> {
    if (!this.algorithm) return;
    if (!this.#hash || this.#hashed > size) {
      this.#hash = createHash(this.algorithm);
      this.#hashed = 0;
    }
    if (this.#hashed === size) return;
    for await (const chunk of createReadStream(this.part, { start: this.#hashed, end: size - 1 })) {
      this.#hash.update(chunk as Buffer);
    }
    this.#hashed = size;
  }

  async #readState(): Promise<PartialState | undefined> {
    try {
      return JSON.parse(await readFile(this.#stateFile, 'utf8')) as PartialState;
    } catch {
      return undefined;
    }
  }
}

/** A request that follows redirects. @throws TransferError */
export async function follow(start: string, options: RequestOptions): Promise<IncomingMessage> {
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    let response: IncomingMessage;
    try {
      response = await request(url, options);
    } catch (thrown) {
      throw networkError(thrown);
    }
    const location = response.headers.location;
    if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || typeof location !== 'string')
      return response;
    response.destroy();
    const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
    if (!next || !/^https?:$/.test(next.protocol)) {
      throw new TransferError(`the server redirects to '${location.slice(0, 200)}'`, 'final');
    }
    if (new URL(url).protocol === 'https:' && next.protocol === 'http:') {
      throw new TransferError(`the server redirects from https to ${next.href}`, 'final');
    }
    url = next.href;
  }
  throw new TransferError(`the server redirects more than ${MAX_REDIRECTS} times`, 'final');
}

async function writeAt(handle: FileHandle, chunk: Buffer, at: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    done += (await handle.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
  }
}

async function bytesOnDisk(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** A strong ETag, else the date of the last change: what If-Range takes. */
function validatorOf(headers: IncomingHttpHeaders): string | undefined {
  const etag = headers.etag;
  if (typeof etag === 'string' && !etag.startsWith('W/')) return etag;
  const date = headers['last-modified'];
  return typeof date === 'string' ? date : undefined;
}

function statusError(status: number, headers: IncomingHttpHeaders): TransferError {
  const meaning: Record<number, string> = {
    401: ' (it needs a login)',
    403: ' (forbidden)',
    404: ' (there is no such file)',
    429: ' (too many requests)',
  };
  const retry = status === 408 || status === 425 || status === 429 || status >= 500;
  const wait = Number(headers['retry-after']);
  return new TransferError(
    `the server answers ${status}${meaning[status] ?? ''}`,
    retry ? 'retry' : 'final',
    Number.isFinite(wait) ? Math.min(60, wait) * 1000 : 0,
  );
}

const UNREACHABLE = [
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ERR_CONNECT_TIMEOUT',
];

function networkError(thrown: unknown, reached?: string): TransferError {
  const code = codeOf(thrown);
  const after = reached ? ` after ${reached}` : '';
  const disk = ['ENOSPC', 'EACCES', 'EROFS', 'EDQUOT', 'EPERM', 'EISDIR', 'ENOTDIR', 'EFBIG'];
  if (disk.includes(code)) {
    return new TransferError(code === 'ENOSPC' ? 'the disk is full' : messageOf(thrown), 'final', 0, thrown);
  }
  if (UNREACHABLE.includes(code))
    return new TransferError(`no connection (${code})`, 'unreachable', 0, thrown);
  if (code === 'ERR_SILENCE')
    return new TransferError(`the server stopped sending${after}`, 'retry', 0, thrown);
  if (code === 'ERR_NO_ANSWER') return new TransferError('the server does not answer', 'retry', 0, thrown);
  if (/^(CERT|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) {
    return new TransferError(`the server's certificate is not trusted (${code})`, 'final', 0, thrown);
  }
  return new TransferError(`the connection broke${after} (${code || messageOf(thrown)})`, 'retry', 0, thrown);
}

function codeOf(thrown: unknown): string {
  const error = thrown as { code?: string; cause?: { code?: string }; errors?: { code?: string }[] };
  return error?.code ?? error?.cause?.code ?? error?.errors?.[0]?.code ?? '';
}
