import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorBody, HttpError } from './http_error.js';

/** A response that is sent as a whole. */
export interface Answer {
  status?: number;
  type: string;
  body: string | Uint8Array;
  headers?: Readonly<Record<string, string>>;
}

/** What browsers are told with everything: to guess no type, to show nothing in frames, to keep nothing. */
const ALWAYS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

/** Milliseconds and bytes of a request that are still taken in after its answer, so that its sender gets to read it. */
const LINGER = { time: 2000, bytes: 2 ** 26 };

export const json = (value: unknown, status = 200, headers: Answer['headers'] = {}): Answer => ({
  status,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`,
  headers,
});

/** The answer to a request that failed. */
export function failure(thrown: unknown): Answer {
  const error = thrown instanceof HttpError ? thrown : HttpError.of(errorBody(thrown));
  const again: Answer['headers'] = error.status === 503 ? { 'retry-after': '1' } : {};
  return json({ error: error.body }, error.status, { ...again, ...error.headers });
}

export const headersOf = (type: string, headers: Answer['headers'] = {}) => ({
  ...ALWAYS,
  'content-type': type,
  ...headers,
});

/** Sends an answer; where the request was not read to its end, its connection is closed then. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
): Promise<void> {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(answer.body as string);
  const headers = { ...headersOf(answer.type, answer.headers), 'content-length': String(body.length) };
  if (request.complete || request.method === 'GET' || request.method === 'HEAD') {
    response.writeHead(answer.status ?? 200, headers);
    response.end(request.method === 'HEAD' ? undefined : body);
    return;
  }
  response.writeHead(answer.status ?? 200, { ...headers, connection: 'close' });
  response.write(body);
  await drained(request);
  response.end();
}

/** The rest of a request, thrown away; one who sends without end is not listened to. */
function drained(request: IncomingMessage): Promise<void> {
  return new Promise((done) => {
    let bytes = 0;
    const timer = setTimeout(done, LINGER.time);
    const over = () => {
      clearTimeout(timer);
      done();
    };
    request.unpipe();
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LINGER.bytes) over();
    });
    request.on('end', over).on('close', over).on('error', over).resume();
  });
}
