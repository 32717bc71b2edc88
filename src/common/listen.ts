import type { Server } from 'node:http';
import { ConfigError, messageOf } from './errors.js';

/** Where a page of ours is served. */
export interface Address {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Take a free port where another program has that one. */
  orAnother?: boolean;
}

/** Lets a server listen. @throws ConfigError where it cannot */
export async function listen(server: Server, { host, port, orAnother }: Address): Promise<Server> {
  try {
    return await new Promise((found, failed) => {
      server.once('error', failed).listen(port, host, () => found(server.off('error', failed)));
    });
  } catch (thrown) {
    const taken = (thrown as NodeJS.ErrnoException).code === 'EADDRINUSE';
    if (taken && orAnother) return listen(server, { host, port: 0 });
    throw new ConfigError(`the page cannot be served at ${host}:${port}`, {
      found: taken ? 'another program has the port' : messageOf(thrown),
      help: '--port 0 takes a free one',
    });
  }
}
