import type { IncomingMessage } from 'node:http';
import { Busboy } from '@fastify/busboy';
import { z } from 'zod';
import { messageOf } from '../common/errors.js';
import { HttpError } from './http_error.js';
import type { Limits } from './limits.js';
import type { Use } from './protocol.js';
import { REQUESTS, type Requests } from './schemas.js';

/** A request that has been read and checked, its picture apart. */
export type ReadRequest<U extends Use> = Omit<Requests[U], 'image'> & { image?: Uint8Array };

type ReadLimits = Pick<Limits, 'bodyBytes' | 'bodyTime'>;

/** Stands for a picture that came as a file, where the schema has a text. */
const AS_FILE = 'as a file';

/**
 * What a client asks, from JSON with the picture in base64, or from a form with the picture as a file.
 * @throws HttpError for what is no such thing, is too large, or takes too long to come
 */
export async function readRequest<U extends Use>(
  request: IncomingMessage,
  use: U,
  limits: ReadLimits,
): Promise<ReadRequest<U>> {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0].trim().toLowerCase();
  if (request.headers['content-encoding'] !== undefined) {
    throw new HttpError('unsupported_media_type', 'bodies are not decompressed', {
      found: `content-encoding: ${request.headers['content-encoding']}`,
      help: 'send it as it is: pictures are compressed already',
    });
  }
  if (type === 'application/json') {
    const { image, ...rest } = checked(use, parsed(await readBytes(request, limits))) as Requests[U] & {
      image?: string;
    };
    return { ...rest, ...(image === undefined ? {} : { image: fromBase64(image) }) } as ReadRequest<U>;
  }
  if (type === 'multipart/form-data') {
    const { fields, file } = await readForm(request, limits);
    const said = { ...typed(use, fields), ...(file ? { image: AS_FILE } : {}) };
    const { image, ...rest } = checked(use, said) as Requests[U] & { image?: string };
    const bytes = file ?? (image === undefined ? undefined : fromBase64(image));
    return { ...rest, ...(bytes ? { image: bytes } : {}) } as ReadRequest<U>;
  }
  throw new HttpError('unsupported_media_type', 'the body is of another type', {
    found: type || 'no content-type',
    allowed: 'application/json (the image in base64) or multipart/form-data (the image as a file)',
  });
}

/** The body, whole. @throws HttpError */
export function readBytes(request: IncomingMessage, { bodyBytes, bodyTime }: ReadLimits): Promise<Buffer> {
  return inTime(request, { bodyBytes, bodyTime }, (resolve) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks)));
  });
}

/** Reads while no limit is reached. */
function inTime<T>(
  request: IncomingMessage,
  { bodyBytes, bodyTime }: ReadLimits,
  read: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const tooLarge = () =>
      reject(
        new HttpError('too_large', 'the request is too large', {
          allowed: `${Math.floor(bodyBytes / 1024)} KiB, pictures in base64 or as files`,
          help: 'make the picture smaller: models see a few hundred pixels a side',
        }),
      );
    if (Number(request.headers['content-length']) > bodyBytes) return tooLarge();
    const timer = setTimeout(() => {
      const message = `the request did not come within ${bodyTime / 1000} s`;
      reject(new HttpError('request_timeout', message, { help: 'send it faster, or a smaller picture' }));
    }, bodyTime);
    let received = 0;
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > bodyBytes) tooLarge();
    });
    const gone = () => reject(new HttpError('bad_request', 'the request was cut off'));
    request.on('error', gone).on('aborted', gone);
    const over =
      <V>(done: (value: V) => void) =>
      (value: V) => {
        clearTimeout(timer);
        done(value);
      };
    read(over(resolve), over(reject));
  });
}

interface Form {
  fields: [name: string, value: string][];
  file?: Uint8Array;
}

function readForm(request: IncomingMessage, limits: ReadLimits): Promise<Form> {
  const bad = (why: string) =>
    new HttpError('bad_request', 'the form cannot be read', {
      found: why,
      allowed: 'multipart/form-data with the picture as a file named image, and texts',
    });
  return inTime(request, limits, (resolve, reject) => {
    const form: Form = { fields: [] };
    let parser: InstanceType<typeof Busboy>;
    try {
      parser = new Busboy({
        headers: { ...request.headers, 'content-type': request.headers['content-type']! },
        limits: {
          files: 1,
          fields: 200,
          parts: 201,
          fieldNameSize: 100,
          fieldSize: 64 * 1024,
          headerPairs: 20,
        },
      });
    } catch (thrown) {
      return reject(bad(messageOf(thrown)));
    }
    parser.on('file', (name, stream) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', (error: unknown) => reject(bad(messageOf(error))));
      stream.on('end', () => {
        if (name !== 'image') return reject(bad(`a file named ${name.slice(0, 100)}`));
        form.file = Buffer.concat(chunks);
      });
    });
    parser.on('field', (name, value, nameCut, valueCut) => {
      if (nameCut || valueCut) reject(bad(`the field ${name.slice(0, 100)} is too long`));
      form.fields.push([name, value]);
    });
    for (const limit of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
      parser.on(limit, () => reject(bad(`more than ${limit === 'filesLimit' ? 'one file' : '200 fields'}`)));
    }
    parser.on('error', (error: unknown) => reject(bad(messageOf(error))));
    parser.on('finish', () => resolve(form));
    request.pipe(parser);
  });
}

interface JsonSchema {
  type?: string;
  anyOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
}

/** The texts of a form as their schema has them: numbers, switches, and lists of what comes several times. */
function typed(use: Use, fields: Form['fields']): Record<string, unknown> {
  const { properties = {} } = z.toJSONSchema(REQUESTS[use], { io: 'input' }) as JsonSchema;
  const said: Record<string, unknown> = Object.create(null);
  for (const name of new Set(fields.map(([name]) => name))) {
    const values = fields.filter(([other]) => other === name).map(([, value]) => value);
    const { type, anyOf = [] } = Object.hasOwn(properties, name) ? properties[name] : {};
    const isList = type === 'array' || (values.length > 1 && anyOf.some((one) => one.type === 'array'));
    if (isList) said[name] = values;
    else said[name] = type === 'string' || type === undefined ? values.at(-1) : plain(values.at(-1)!);
  }
  return said;
}

/** A number or a switch; the text itself where it is neither, which the schema tells. */
function plain(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw new HttpError('bad_request', 'the body is not JSON', { found: messageOf(thrown).slice(0, 200) });
  }
}

/** @throws HttpError that names every field which is wrong */
function checked(use: Use, said: unknown): Requests[Use] {
  const result = REQUESTS[use].safeParse(said);
  if (result.success) return result.data;
  const faults = result.error.issues.slice(0, 8).map(({ path, message }) => {
    const where = path.map(String).join('.').slice(0, 100);
    return `${where ? `${where}: ` : ''}${message.slice(0, 200)}`;
  });
  throw new HttpError('bad_request', 'the request cannot be used', {
    found: faults.join('; '),
    help: `GET /openapi.json says what /v1/${use} takes`,
  });
}

function fromBase64(text: string): Uint8Array {
  const data = text.startsWith('data:') ? text.slice(text.indexOf(',') + 1) : text;
  if (/[^A-Za-z0-9+/=\s]/.test(data)) {
    throw new HttpError('bad_request', 'the image is not base64', {
      allowed: 'the bytes of its file in base64',
    });
  }
  return Buffer.from(data, 'base64');
}
