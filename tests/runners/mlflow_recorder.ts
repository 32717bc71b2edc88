import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fixtureJson } from '../support.js';

/** A message and its answer. */
export interface Exchange {
  /** `POST runs/create` */
  call: string;
  /** Its JSON, or null. */
  body: Record<string, unknown> | null;
  status: number;
  answer: Record<string, unknown>;
}

/** What the real server was told, and said: recorded by scripts/interop/index.mjs mlflow. */
export const recorded = fixtureJson<{ mlflow: string; exchanges: Exchange[] }>('mlflow', 'session.json');

const API = '/api/2.0/mlflow/';

export interface Told {
  call: string;
  body: Record<string, unknown> | null;
  headers: IncomingHttpHeaders;
}

/**
 * Records what it is told, and answers as the real server did: the recorded answer to the same call, of several the
 * last one but where `answers` has others. It is not MLflow: what MLflow makes of the messages, only MLflow shows.
 */
export class Recorder {
  readonly told: Told[] = [];
  /** In place of the recorded answer; undefined lets it stand. */
  answers: (told: Told) => [status: number, body: string] | undefined = () => undefined;
  #server?: Server;

  async listen(port = 0): Promise<string> {
    this.#server = createServer(async (request, response) => {
      const body = await text(request);
      const [path] = request.url!.split('?');
      const call = `${request.method} ${path.startsWith(API) ? path.slice(API.length) : path}`;
      const told = { call, body: body ? JSON.parse(body) : null, headers: request.headers };
      this.told.push(told);
      const own = this.answers(told);
      const { status, answer } = recorded.exchanges.findLast((one) => one.call === call)!;
      response.writeHead(own?.[0] ?? status, { 'Content-Type': 'application/json' });
      response.end(own?.[1] ?? JSON.stringify(answer));
    });
    await new Promise<void>((done) => this.#server!.listen(port, '127.0.0.1', done));
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server!.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((done) => this.#server?.close(done) ?? done(undefined));
  }

  /** Metrics of all batches, in their order. */
  get metrics(): { key: string; value: number | string; step: number }[] {
    return this.told.flatMap(
      ({ body }) => (body?.metrics ?? []) as { key: string; value: number; step: number }[],
    );
  }

  /** Every status that a run was given. */
  get statuses(): unknown[] {
    return this.told.filter(({ call }) => call === 'POST runs/update').map(({ body }) => body!.status);
  }
}
