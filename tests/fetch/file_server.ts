import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';

export interface Seen {
  url: string;
  range: string | undefined;
  ifRange: string | undefined;
}

export interface FileServer {
  /** http://127.0.0.1:port */
  url: string;
  /** Every request so far. */
  seen: Seen[];
  close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, nth: number) => void;

/** A real server on this machine; each path has a handler, which learns the how-manieth request it is. */
export async function fileServer(handlers: Record<string, Handler>): Promise<FileServer> {
  const seen: Seen[] = [];
  const server: Server = createServer((request, response) => {
    const url = request.url ?? '/';
    const { range } = request.headers;
    const nth = seen.filter((one) => one.url === url).length;
    seen.push({ url, range, ifRange: request.headers['if-range'] as string | undefined });
    const handler = handlers[url];
    if (handler) handler(request, response, nth);
    else response.writeHead(404).end('no such file');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  after(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, close };
}

/** Serves bytes as a good server does: ranges, If-Range, an ETag. */
export function serve(body: Uint8Array, etag = '"v1"'): Handler {
  return (request, response) => {
    const start = rangeStart(request, etag);
    if (start !== undefined && start >= body.length) {
      response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
      return;
    }
    sendFrom(response, body, start, etag);
    response.end(body.subarray(start ?? 0));
  };
}

/** Says what it will send, sends `bytes` of it, and breaks the connection or falls silent. */
export function serveSome(
  body: Uint8Array,
  bytes: number,
  then: 'break' | 'silence',
  etag = '"v1"',
): Handler {
  return (request, response) => {
    const start = rangeStart(request, etag);
    sendFrom(response, body, start, etag);
    response.write(body.subarray(start ?? 0, (start ?? 0) + bytes), () => {
      // Time for what was sent to be read: a broken connection takes along what was not.
      if (then === 'break') setTimeout(() => response.destroy(), 200);
    });
  };
}

function rangeStart(request: IncomingMessage, etag: string): number | undefined {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  return match && (condition === undefined || condition === etag) ? Number(match[1]) : undefined;
}

function sendFrom(response: ServerResponse, body: Uint8Array, start: number | undefined, etag: string): void {
  const length = body.length - (start ?? 0);
  if (start === undefined) response.writeHead(200, { 'content-length': length, etag });
  else {
    const range = `bytes ${start}-${body.length - 1}/${body.length}`;
    response.writeHead(206, { 'content-length': length, 'content-range': range, etag });
  }
}
