import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../common/errors.js';
import { type Address, listen } from '../common/listen.js';
import { log } from '../common/logging.js';
import type { ShownSample } from '../tasks/index.js';
import { readShown } from './evaluated.js';
import { addMark, Marks } from './marks.js';
import { evaluatedDocument } from './pages/evaluated_page.js';
import { type AssetName, asset } from './pages/html.js';
import { thumbnail } from './pages/thumbnail.js';
import { watchDocument, watchSections } from './pages/watch_page.js';
import { lastEvaluations, readRun } from './read_run.js';

/** The page may load what this server has, and nothing else. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'";

interface Answer {
  status?: number;
  type: string;
  body: string | Uint8Array;
  headers?: Record<string, string>;
}

/**
 * Serves the live page of a run folder: `/`, its files, `/state` with the parts of the page, and `/photo`,
 * which knows the pictures of the run's newest evaluated samples by their ids and no other file; `/evaluated`, where
 * they are looked through, `/marks`, which keeps what people think of them, and `/corrections.csv`.
 * @param hosts names besides localhost that a browser may call the server by
 */
export function watchServer(folder: string, hosts: readonly string[] = []): Server {
  return createServer((request, response) => {
    answer(folder, hosts, request)
      .catch((thrown): Answer => {
        log.warnOnce(`lavis watch: ${messageOf(thrown)}`);
        return { status: 500, ...text('the run cannot be read') };
      })
      .then((found) => send(response, found));
  });
}

async function answer(folder: string, hosts: readonly string[], request: IncomingMessage): Promise<Answer> {
  // A page of another site may point a name of its own at this machine; it must not read the run.
  if (!isOwnHost(request.headers.host, hosts)) return { status: 403, ...text('not a name of this server') };
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (request.method === 'POST' && url.pathname === '/marks') return mark(folder, request);
  if (request.method !== 'GET') return { status: 405, ...text('only GET') };
  switch (url.pathname) {
    case '/':
      return { type: 'text/html; charset=utf-8', body: watchDocument(await readRun(folder)) };
    case '/page.css':
      return { type: 'text/css; charset=utf-8', body: asset('page.css') };
    case '/chart.js':
    case '/live.js':
    case '/judge.js':
      return { type: 'text/javascript; charset=utf-8', body: asset(url.pathname.slice(1) as AssetName) };
    case '/evaluated':
      return { type: 'text/html; charset=utf-8', body: await evaluatedDocument(await readRun(folder)) };
    case '/corrections.csv':
      return { type: 'text/csv; charset=utf-8', body: (await Marks.read(folder)).csv };
    case '/state':
      return state(folder, request.headers['if-none-match']);
    case '/photo':
      return photo(folder, url.searchParams);
    default:
      return { status: 404, ...text('no such page') };
  }
}

/** The parts of the page; 304 where the run has written nothing since. */
async function state(folder: string, known: string | undefined): Promise<Answer> {
  const tag = await version(folder);
  const headers = { etag: tag };
  if (known === tag) return { status: 304, type: 'application/json', body: '', headers };
  return {
    type: 'application/json',
    body: JSON.stringify(await watchSections(await readRun(folder))),
    headers,
  };
}

async function version(folder: string): Promise<string> {
  const files = ['metrics.jsonl', 'log.txt', 'run.json', 'result', 'shown'];
  const stats = await Promise.all(files.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return `"${stats.map((file) => (file ? `${file.ino}.${file.size}.${file.mtimeMs}` : '-')).join('_')}"`;
}

/** Photos are decoded and drawn anew: what is no image is not sent, whatever the run's files name. */
async function photo(folder: string, asked: URLSearchParams): Promise<Answer> {
  const samples = await samplesOf(folder, asked.get('split'));
  const sample = samples.find(({ id }) => String(id) === asked.get('id'));
  const file = sample?.files[Number(asked.get('place') ?? 0)];
  const body = file && (await thumbnail(file, 320));
  if (!body) return { status: 404, ...text('no such photo') };
  return { type: 'image/jpeg', body, headers: { 'cache-control': 'max-age=600' } };
}

/** Bytes of a mark at most. */
const MARK_BYTES = 64 * 1024;

const markSchema = z.strictObject({
  split: z.string(),
  id: z.string(),
  mark: z.enum(['good', 'bad', '']),
  correction: z.string().max(10_000),
});

/** Keeps a mark, of people at this machine alone, of what the run has evaluated alone. */
async function mark(folder: string, request: IncomingMessage): Promise<Answer> {
  const { origin, host, 'content-type': type } = request.headers;
  const isOwnPage = origin === undefined || origin.replace(/^https?:\/\//, '') === host;
  if (!isOwnPage || !/^(::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '')) {
    return { status: 403, ...text('marks are taken from this machine, and from pages of this server') };
  }
  if (type !== 'application/json') return { status: 415, ...text('marks are JSON') };
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MARK_BYTES)
      return { status: 413, ...text('the mark is too long'), headers: { connection: 'close' } };
  }
  const parsed = markSchema.safeParse(jsonOf(Buffer.concat(chunks).toString('utf8')));
  if (!parsed.success)
    return { status: 400, ...text('a mark has split, id, mark (good, bad) and correction') };
  const { split, id, mark: verdict, correction } = parsed.data;
  const sample = (await samplesOf(folder, split)).find((one) => String(one.id) === id);
  if (!sample) return { status: 404, ...text('no such sample') };
  await addMark(folder, {
    ...{ split, id, image: sample.files[0], said: sample.said },
    ...{ mark: verdict || undefined, correction: correction.replace(/\s+/g, ' ').trim() || undefined },
    time: new Date().toISOString(),
  });
  return { type: 'application/json', body: '{}' };
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** What was evaluated last of a split. */
async function samplesOf(folder: string, split: string | null): Promise<ShownSample[]> {
  const run = await readRun(folder);
  const line = lastEvaluations(run.lines).find((one) => one.split === split);
  return line ? (await readShown(run, line)).samples : [];
}

function isOwnHost(host: string | undefined, hosts: readonly string[]): boolean {
  const name = (host ?? '').replace(/:\d+$/, '');
  return ['localhost', '127.0.0.1', '[::1]', ...hosts].includes(name);
}

const text = (body: string) => ({ type: 'text/plain; charset=utf-8', body: `${body}\n` });

function send(response: ServerResponse, { status = 200, type, body, headers }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-security-policy': POLICY,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(body);
}

/** Serves the live page at an address of this machine. @throws ConfigError where it cannot be listened there */
export function serveRun(folder: string, address: Address): Promise<Server> {
  const { host } = address;
  return listen(watchServer(folder, host === '127.0.0.1' ? [] : [host]), address);
}
