import { ConfigError, DataError, LavisError } from '../common/errors.js';

/** What goes wrong, in a word that a program can compare; the statuses that they have are in docs/serve.md. */
export type ErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'too_large'
  | 'unsupported_media_type'
  | 'unreadable_image'
  | 'internal'
  | 'not_loaded'
  | 'busy'
  | 'not_ready'
  | 'worker_lost'
  | 'timeout'
  | 'stopping';

/** As an error crosses from a worker, and as it stands in a response. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  found?: string;
  allowed?: string;
  help?: string;
}

const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  too_large: 413,
  unsupported_media_type: 415,
  unreadable_image: 422,
  internal: 500,
  not_loaded: 501,
  busy: 503,
  not_ready: 503,
  worker_lost: 503,
  timeout: 503,
  stopping: 503,
};

/** A request that is answered with an error: what a client did wrong, or why it is to come again. */
export class HttpError extends Error {
  readonly body: ErrorBody;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    {
      headers = {},
      ...details
    }: Omit<ErrorBody, 'code' | 'message'> & { headers?: Record<string, string> } = {},
  ) {
    super(message);
    this.name = 'HttpError';
    this.body = { code, message, ...details };
    this.headers = headers;
  }

  get status(): number {
    return STATUS[this.body.code];
  }

  static of({ code, message, ...details }: ErrorBody): HttpError {
    return new HttpError(code, message, details);
  }
}

/** What a client is told of anything thrown: of faults of the server's own, no more than that there was one. */
export function errorBody(thrown: unknown): ErrorBody {
  if (thrown instanceof HttpError) return thrown.body;
  if (!(thrown instanceof LavisError))
    return { code: 'internal', message: 'the server made a mistake; its log says more' };
  const { found, allowed, help } = thrown.details;
  return { code: codeOf(thrown), message: thrown.headline, ...withoutGaps({ found, allowed, help }) };
}

function codeOf(error: LavisError): ErrorCode {
  if (error instanceof DataError)
    return error.headline === 'an image is too large' ? 'too_large' : 'unreadable_image';
  return error instanceof ConfigError ? 'bad_request' : 'internal';
}

const withoutGaps = <T extends object>(record: T): Partial<T> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;
