import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { messageOf } from '../common/errors.js';
import { type Address, listen } from '../common/listen.js';
import { log } from '../common/logging.js';
import { type AccessOptions, checkAccess } from './access.js';
import { Api } from './api.js';
import { BatchQueue } from './batch_queue.js';
import { HttpError } from './http_error.js';
import type { Limits } from './limits.js';
import { ServerMetrics } from './metrics.js';
import { openApi } from './openapi.js';
import type { Loaded, Use } from './protocol.js';
import { USES } from './protocol.js';
import { type Answer, failure, json, send } from './respond.js';
import { type PoolOptions, WorkerPool } from './worker_pool.js';

export interface ServeOptions extends AccessOptions {
  address: Address;
  workers: number;
  task: PoolOptions['task'];
  limits: Limits;
  /** Pages and their files by their paths; they hold no secrets, and need no token. */
  pages?: ReadonlyMap<string, Answer>;
}

/** What anybody may ask who reaches the server: whether it lives. */
const OPEN = ['/healthz', '/readyz'];

/** Connections at once: those that wait, and some that only ask for health. */
const SPARE_CONNECTIONS = 256;

/** `lavis serve`: one process that speaks HTTP and never waits for a model, and workers that have the models. */
export class LavisServer {
  readonly #pool: WorkerPool;
  readonly #queue: BatchQueue;
  readonly #api: Api;
  readonly #metrics: ServerMetrics;
  readonly #server: Server;
  #state: 'starting' | 'ready' | 'ending' = 'starting';

  constructor(private readonly options: ServeOptions) {
    const { workers, task, limits } = options;
    this.#pool = new WorkerPool({
      workers,
      task,
      batchTimeout: limits.answerTime,
      onIdle: () => this.#queue.pump(),
    });
    this.#queue = new BatchQueue({
      maxBatch: limits.maxBatch,
      maxWait: limits.maxWait,
      idle: () => this.#pool.idle,
      run: (batch, running) => this.#pool.run(batch, running),
      onBatch: ({ use, items }, waited) => {
        this.#metrics.batchSize.observe({ use }, items.length);
        for (const time of waited) this.#metrics.waited.observe({ use }, time / 1000);
      },
    });
    this.#api = new Api({ queue: this.#queue, limits, workers, photos: task.photos });
    this.#metrics = new ServerMetrics({ queue: this.#queue, pool: this.#pool });
    this.#server = createServer(
      {
        connectionsCheckingInterval: 1000,
        headersTimeout: 10_000,
        requestTimeout: 0,
        keepAliveTimeout: 15_000,
      },
      (request, response) => void this.#handle(request, response),
    );
    this.#server.maxConnections = limits.queue + SPARE_CONNECTIONS;
    this.#server.on('clientError', refuseMalformed);
  }

  /** Listens, then loads the models. @throws LavisError where it cannot */
  async start(): Promise<Loaded> {
    await listen(this.#server, this.options.address);
    try {
      const loaded = await this.#pool.start();
      this.#api.loaded = loaded;
      if (this.#state === 'starting') this.#state = 'ready';
      return loaded;
    } catch (thrown) {
      await this.end();
      throw thrown;
    }
  }

  get url(): string {
    const { host } = this.options.address;
    const { port } = this.#server.address() as AddressInfo;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Process ids of the workers that run. */
  get workerIds(): number[] {
    return this.#pool.ids;
  }

  /** Finishes what is in flight, takes nothing new, and ends the workers. */
  async end(): Promise<void> {
    this.#state = 'ending';
    const closed = new Promise((done) => this.#server.close(done));
    this.#server.closeIdleConnections();
    const deadline = setTimeout(() => this.#server.closeAllConnections(), this.options.limits.graceTime);
    await closed;
    clearTimeout(deadline);
    await this.#pool.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const start = performance.now();
    const gone = new AbortController();
    response.on('close', () => {
      if (response.writableFinished) return;
      this.#metrics.cancelled.inc();
      gone.abort(new HttpError('bad_request', 'the client has gone'));
    });
    const path = pathOf(request);
    let answer: Answer | undefined;
    try {
      answer = await this.#route(path, request, response, gone.signal);
    } catch (thrown) {
      answer = failure(thrown);
      if (answer.status === 500)
        log.warn(`${request.method} ${path}: ${(thrown as Error).stack ?? messageOf(thrown)}`);
    }
    if (this.#state === 'ending') response.shouldKeepAlive = false;
    if (answer) await send(request, response, answer);
    const known = ROUTES.has(path) ? path : 'other';
    this.#metrics.requests.inc({ path: known, status: response.statusCode });
    this.#metrics.seconds.observe({ path: known }, (performance.now() - start) / 1000);
  }

  async #route(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    gone: AbortSignal,
  ): Promise<Answer | undefined> {
    const page = this.options.pages?.get(path);
    checkAccess(request, this.options, OPEN.includes(path) || page !== undefined);
    const method = page ? 'GET' : ROUTES.get(path);
    if (method === undefined)
      throw new HttpError('not_found', 'no such path', { help: 'GET /openapi.json lists them' });
    if (request.method !== method && !(method === 'GET' && request.method === 'HEAD')) {
      throw new HttpError('method_not_allowed', `${path} takes ${method} alone`, {
        found: request.method,
        headers: { allow: method },
      });
    }
    if (page) return page;
    switch (path) {
      case '/healthz':
        return json({ status: 'ok' });
      case '/readyz':
        return this.#readiness();
      case '/metrics':
        return { type: this.#metrics.contentType, body: await this.#metrics.text() };
      case '/openapi.json':
        return json(openApi());
      case '/v1/models':
        return this.#api.listModels();
      case '/v1/photos':
        return this.#api.photo(new URL(request.url ?? '', 'http://localhost').searchParams);
      default:
        this.#refuseUnlessReady();
        return this.#api.use(path.slice('/v1/'.length) as Use, request, response, gone);
    }
  }

  #readiness(): Answer {
    const ready = this.#state === 'ready' && this.#pool.ready > 0;
    const facts = { workers: this.#pool.size, ready: this.#pool.ready };
    return json({ status: ready ? 'ready' : this.#state, ...facts }, ready ? 200 : 503);
  }

  #refuseUnlessReady(): void {
    if (this.#state === 'starting') {
      throw new HttpError('not_ready', 'the models are being loaded', {
        help: 'GET /readyz says when they are there',
      });
    }
    if (this.#state === 'ending') throw new HttpError('stopping', 'the server is ending');
  }
}

/** Paths that do not change, and what they take. */
const ROUTES: ReadonlyMap<string, 'GET' | 'POST'> = new Map([
  ...USES.map((use) => [`/v1/${use}`, 'POST'] as const),
  ...['/healthz', '/readyz', '/metrics', '/openapi.json', '/v1/models', '/v1/photos'].map(
    (path) => [path, 'GET'] as const,
  ),
]);

/** Up to the query; nothing of it is a place on a disk. */
const pathOf = ({ url = '' }: IncomingMessage) => url.split('?', 1)[0];

/** What is no HTTP, or whose headers do not come in time, is told so too. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const large = error.code === 'HPE_HEADER_OVERFLOW';
  const [status, code, message] = slow
    ? ['408 Request Timeout', 'request_timeout', 'the request did not come in time']
    : large
      ? ['431 Request Header Fields Too Large', 'too_large', 'the headers are too large']
      : ['400 Bad Request', 'bad_request', 'this is not HTTP'];
  const body = `${JSON.stringify({ error: { code, message } })}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}
