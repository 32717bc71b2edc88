import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HttpError } from './http_error.js';

export interface AccessOptions {
  /** What clients must send as `Authorization: Bearer …`; none where only this machine can ask. */
  token?: string;
  /** Names besides those of this machine that browsers may call the server by. */
  hosts: readonly string[];
}

/** Names of this machine as it calls itself. */
const OWN = ['localhost', '127.0.0.1', '[::1]'];

/** Whether an address is this machine's own alone. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/**
 * Who may ask. A page of another site may point a name of its own at this machine, or send forms here: its requests
 * are known by the names that browsers put into them. Where others can reach the server, the token says who may.
 * @param open what anybody may ask, such as whether the server lives
 * @throws HttpError
 */
export function checkAccess(request: IncomingMessage, { token, hosts }: AccessOptions, open: boolean): void {
  const { host = '', origin } = request.headers;
  // A page of another site has no token: with one, the server may be called by any name.
  if (token === undefined && !isOwn(host, hosts)) {
    throw new HttpError('forbidden', 'not a name of this server', {
      found: host.slice(0, 200),
      help: `lavis serve --allow-host ${nameOf(host).slice(0, 100)}`,
    });
  }
  if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== host) {
    throw new HttpError('forbidden', 'pages of other sites may not ask', { found: origin.slice(0, 200) });
  }
  if (token === undefined || open) return;
  const [, given = ''] = /^Bearer (.*)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (timingSafeEqual(digest(given), digest(token))) return;
  throw new HttpError('unauthorized', 'the token is missing or wrong', {
    help: 'send the header Authorization: Bearer TOKEN, with the token that the server printed',
    headers: { 'www-authenticate': 'Bearer' },
  });
}

const nameOf = (host: string) => host.replace(/:\d+$/, '');
const isOwn = (host: string, hosts: readonly string[]) => [...OWN, ...hosts].includes(nameOf(host));
const digest = (text: string) => createHash('sha256').update(text).digest();
