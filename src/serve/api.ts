import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileSystemPath } from '../common/paths.js';
import { checkImage } from '../processors/index.js';
import { thumbnail } from '../reports/index.js';
import type { BatchQueue, Job } from './batch_queue.js';
import { errorBody, HttpError } from './http_error.js';
import type { Limits } from './limits.js';
import type { Loaded, Progress, ServedModel, Use, Uses } from './protocol.js';
import { type ReadRequest, readRequest } from './read_body.js';
import { type Answer, headersOf, json } from './respond.js';
import { answerOptions, generateOptions } from './schemas.js';

export interface ApiOptions {
  queue: BatchQueue;
  limits: Limits;
  workers: number;
  /** Folder of the images that are searched. */
  photos?: string;
}

/** How one would start a server that does it. */
const STARTED_WITH: Readonly<Record<Use, string>> = {
  caption: '--model blip_caption',
  ask: '--model blip_vqa',
  match: '--model blip_image_text_matching',
  features: '--model blip_feature_extractor',
  search: '--model blip_image_text_matching --photos FOLDER',
};

/** Characters of a streamed response that a client may leave unread. */
const UNREAD = 2 ** 20;

/** The uses of the models over HTTP: requests read, admitted, put into the queue, and answered. */
export class Api {
  #loaded: Loaded = { models: [], photos: [] };
  #photos = new Set<string>();
  #held = { requests: 0, bytes: 0 };
  /** Seconds that a request takes lately. */
  #recent = 1;

  constructor(private readonly options: ApiOptions) {}

  set loaded(loaded: Loaded) {
    this.#loaded = loaded;
    this.#photos = new Set(loaded.photos);
  }

  get models(): readonly ServedModel[] {
    return this.#loaded.models;
  }

  /** Requests that are being read or wait for their result. */
  get inFlight(): number {
    return this.#held.requests;
  }

  /**
   * Answers a request for a use.
   * @param gone aborted when the client is
   * @returns undefined where the answer was streamed
   * @throws HttpError
   */
  async use(
    use: Use,
    request: IncomingMessage,
    response: ServerResponse,
    gone: AbortSignal,
  ): Promise<Answer | undefined> {
    const { limits, queue } = this.options;
    this.#modelFor(use);
    const release = this.#admit(request);
    const start = performance.now();
    const late = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    try {
      const body = await readRequest(request, use, limits);
      if (body.image) await checkImage(body.image, limits.pixels);
      const model = this.#modelFor(use, body.model);
      const job = jobOf(use, model.name, body);
      timer = setTimeout(() => {
        const message = `no answer within ${limits.answerTime / 1000} s`;
        late.abort(new HttpError('timeout', message, { headers: { 'retry-after': this.#retryAfter() } }));
      }, limits.answerTime);
      const signal = AbortSignal.any([gone, late.signal]);
      if (use === 'caption' && (body as ReadRequest<'caption'>).stream) {
        await this.#stream(job, model.name, response, signal);
        return undefined;
      }
      const result = await queue.add(job, { signal });
      this.#recent += 0.1 * ((performance.now() - start) / 1000 - this.#recent);
      return json({ model: model.name, ...result });
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  listModels(): Answer {
    return json({ models: this.#loaded.models });
  }

  /** The list of images, or one of them, as a small JPEG or its file: what is not in the list is not looked for. */
  async photo(asked: URLSearchParams): Promise<Answer> {
    const path = asked.get('path');
    if (path === null) return json({ photos: this.#loaded.photos });
    const size = Number(asked.get('size') ?? 320);
    if (!Number.isInteger(size) || size < 16 || size > 2048) {
      throw new HttpError('bad_request', 'size is a whole number of pixels from 16 to 2048');
    }
    const { photos } = this.options;
    const file = photos !== undefined && this.#photos.has(path) ? join(photos, path) : undefined;
    const notFound = () => new HttpError('not_found', 'no such photo', { help: 'GET /v1/photos lists them' });
    if (file && asked.get('original') === 'true') {
      const bytes = await readFile(fileSystemPath(file)).catch(() => {
        throw notFound();
      });
      return { type: 'application/octet-stream', body: bytes };
    }
    const body = file && (await thumbnail(file, size));
    if (!body) throw notFound();
    return { type: 'image/jpeg', body, headers: { 'cache-control': 'private, max-age=600' } };
  }

  /** @throws HttpError where no model does it */
  #modelFor(use: Use, name?: string): ServedModel {
    const able = this.#loaded.models.filter(({ uses }) => uses.includes(use));
    if (use === 'search' && this.#loaded.photos.length === 0) able.length = 0;
    const found = name === undefined ? able[0] : able.find((model) => model.name === name);
    if (found) return found;
    if (able.length === 0) {
      throw new HttpError('not_loaded', `no model is loaded for /v1/${use}`, {
        help: `lavis serve ${STARTED_WITH[use]}`,
      });
    }
    throw new HttpError('bad_request', 'no model of this name does it', {
      found: name?.slice(0, 200),
      allowed: able.map((model) => model.name).join(', '),
    });
  }

  /** Keeps a place for a request and its bytes. @returns what gives them back. @throws HttpError where there is none */
  #admit({ headers }: IncomingMessage): () => void {
    const { limits } = this.options;
    const length = Number(headers['content-length'] ?? limits.bodyBytes);
    const bytes = Math.min(length, limits.bodyBytes);
    const held = this.#held;
    if (held.requests >= limits.queue || (held.requests > 0 && held.bytes + bytes > limits.heldBytes)) {
      throw new HttpError('busy', 'too many requests at once', {
        found: `${held.requests} are waiting or being answered`,
        headers: { 'retry-after': this.#retryAfter() },
      });
    }
    held.requests++;
    held.bytes += bytes;
    return () => {
      held.requests--;
      held.bytes -= bytes;
    };
  }

  #retryAfter(): string {
    return String(Math.min(60, Math.max(1, Math.ceil(this.#recent))));
  }

  /** A line of JSON for each thing that happens. */
  async #stream(job: Job, model: string, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const unread = new AbortController();
    const tell = (event: string, more: object = {}) => {
      if (response.destroyed) return;
      response.write(`${JSON.stringify({ event, ...more })}\n`);
      if (response.writableLength > UNREAD)
        unread.abort(new HttpError('request_timeout', 'the answer is not read'));
    };
    response.writeHead(200, headersOf('application/x-ndjson; charset=utf-8'));
    tell('queued', { ahead: this.options.queue.waiting });
    try {
      const result = await this.options.queue.add(job, {
        signal: AbortSignal.any([signal, unread.signal]),
        onStart: () => tell('started'),
        onProgress: ({ text }: Progress) => tell('text', text),
      });
      tell('done', { model, ...result });
    } catch (thrown) {
      tell('error', { error: errorBody(thrown) });
    }
    response.end();
  }
}

/** What is put into the queue for a request. */
function jobOf(use: Use, model: string, body: ReadRequest<Use>): Job {
  const { shared, item, alone } = JOBS[use](body as never);
  return { use, model, shared, item: item as Uses[Use]['item'], alone };
}

const listOf = (one: string | string[]) => (Array.isArray(one) ? one : [one]);

const JOBS: {
  [U in Use]: (body: ReadRequest<U>) => Pick<Job<U>, 'shared' | 'item' | 'alone'>;
} = {
  caption: (body) => ({
    shared: { settings: generateOptions(body as never), explain: body.explain ?? false },
    item: { image: body.image!, prompt: body.prompt, stream: body.stream },
    // What is drawn depends on the place in the batch too.
    alone: body.seed !== undefined,
  }),
  ask: (body) => ({
    shared: { questions: listOf(body.question), settings: answerOptions(body as never) },
    item: { image: body.image! },
  }),
  match: (body) => ({ shared: { texts: listOf(body.text) }, item: { image: body.image! } }),
  features: ({ image, text }) => ({
    shared: { image: image !== undefined, text: text !== undefined },
    item: { image, text },
  }),
  search: ({ image, text, image_weight, top, rerank }) => ({
    shared: {},
    item: { image, text, imageWeight: image_weight, top, rerank },
  }),
};
