import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';

export interface RequestOptions {
  method?: 'GET' | 'HEAD' | 'POST';
  headers?: Record<string, string>;
  /** Sent with it; a POST alone has one. */
  body?: string;
  /** Of a server whose certificate no common authority vouches for. */
  tls?: { ca?: string; rejectUnauthorized?: boolean };
  /** Milliseconds of silence after which a connection counts as dead. */
  stallMs: number;
}

/** Why a request was given up here: `ERR_CONNECT_TIMEOUT`, `ERR_NO_ANSWER` or `ERR_SILENCE`. */
class GivenUp extends Error {
  constructor(readonly code: 'ERR_CONNECT_TIMEOUT' | 'ERR_NO_ANSWER' | 'ERR_SILENCE') {
    super(code);
  }
}

const CONNECT_MS = 10_000;

/**
 * One request over a connection of its own, through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name.
 * Redirects are not followed. Plain node:http, because a server that closes while the body waits to be written
 * ends the process inside undici 7 (an assertion of its parser, in an event that nobody can catch).
 * @returns the response, whose body fails with `ERR_SILENCE` when the server stops sending
 */
export function request(
  url: string,
  { method = 'GET', headers, body, tls, stallMs }: RequestOptions,
): Promise<IncomingMessage> {
  const proxy = getProxyForUrl(url);
  const { request: start } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const agent = proxy ? new HttpsProxyAgent(proxy) : false;
    const sent: ClientRequest = start(url, { method, headers, agent, ...tls });
    const connecting = setTimeout(
      () => sent.destroy(new GivenUp('ERR_CONNECT_TIMEOUT')),
      Math.min(stallMs, CONNECT_MS),
    );
    let response: IncomingMessage | undefined;
    sent.once('socket', (socket) => {
      const connected = () => clearTimeout(connecting);
      if (socket.connecting) socket.once('connect', connected);
      else connected();
    });
    sent.setTimeout(stallMs, () => {
      // While the disk is slower than the server, it is not the server that is silent.
      if (response?.isPaused()) sent.socket?.setTimeout(stallMs);
      else if (response) response.destroy(new GivenUp('ERR_SILENCE'));
      else sent.destroy(new GivenUp('ERR_NO_ANSWER'));
    });
    sent.once('response', (message) => {
      response = message;
      // A connection may break before anybody reads; whoever reads hears of it.
      message.on('error', () => {});
      message.pause();
      resolve(message);
    });
    sent.on('error', reject);
    sent.once('close', () => clearTimeout(connecting));
    sent.end(body);
  });
}

/** Bytes of a body that wait to be taken before the connection is told to wait. */
const MOST_WAITING = 8 * 2 ** 20;

/** The chunks of a body: when a connection breaks, what had come is handed on before the error is thrown. */
export async function* chunksOf(body: IncomingMessage): AsyncGenerator<Buffer> {
  const queue: Buffer[] = [];
  let waiting = 0;
  let failure: Error | undefined = body.errored ?? undefined;
  let ended = body.destroyed;
  let wake = () => {};
  body.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    waiting += chunk.length;
    if (waiting > MOST_WAITING) body.pause();
    wake();
  });
  body.on('error', (error) => {
    failure ??= error;
    wake();
  });
  for (const event of ['end', 'close']) {
    body.on(event, () => {
      ended = true;
      wake();
    });
  }
  body.resume();
  for (;;) {
    const chunk = queue.shift();
    if (chunk) {
      waiting -= chunk.length;
      if (body.isPaused() && waiting < MOST_WAITING / 2) body.resume();
      yield chunk;
    } else if (failure) throw failure;
    else if (ended || body.readableEnded) return;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}
