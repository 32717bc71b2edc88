import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { InferredOptionTypes } from 'yargs';
import type { ModelSource } from '../inference/index.js';
import type { Limits, ServeOptions } from '../serve/index.js';
import { UsageError } from './command.js';
import { modelOptions, modelSource } from './model_options.js';

const PORT = 8484;

/** Their defaults are those of the room `serve` (LIMITS), which help does not load. */
const limit = (describe: string, value: number) =>
  ({ type: 'number', requiresArg: true, describe, default: value }) as const;

/** The options of commands that answer over HTTP. */
export const serveOptions = {
  ...modelOptions('blip_caption', 'base_coco'),
  model: {
    type: 'string',
    array: true,
    nargs: 1,
    defaultDescription: 'blip_caption',
    describe:
      'Architecture of lavis zoo, as NAME, NAME:TYPE or NAME=CHECKPOINT; may be repeated: each model does what it can',
  },
  photos: {
    type: 'string',
    requiresArg: true,
    describe: 'Folder of images to choose from, and to search where a model compares images with texts',
  },
  port: {
    type: 'number',
    requiresArg: true,
    defaultDescription: `${PORT}, or a free one`,
    describe: 'Port to listen on; 0 takes a free one',
  },
  host: {
    type: 'string',
    requiresArg: true,
    default: '127.0.0.1',
    describe: 'Address to listen on; others than this machine have to send a token',
  },
  token: {
    type: 'string',
    requiresArg: true,
    defaultDescription: 'LAVIS_TOKEN, or a new one where others can reach the server',
    describe: 'What clients have to send as Authorization: Bearer TOKEN',
  },
  'allow-host': {
    type: 'string',
    array: true,
    nargs: 1,
    default: [] as string[],
    defaultDescription: 'none',
    describe: 'Another name that browsers may call the server by; may be repeated',
  },
  workers: limit('Processes that each have all models', 1),
  'max-batch': limit('Requests that are carried out together at most', 16),
  'max-wait': limit('Milliseconds that a request waits for others while a worker is idle', 10),
  'max-queue': limit('Requests that wait or are answered at most; others are told to come again', 64),
  'max-body': limit('MiB of a request at most', 32),
  'max-megapixels': limit('Megapixels of a picture at most', 64),
  timeout: limit('Seconds after which a request is given up', 120),
} as const;

export type ServeArguments = InferredOptionTypes<typeof serveOptions>;

/**
 * What a command line says of a server.
 * @param usual models where none is named
 * @throws UsageError
 */
export async function serverOf(args: ServeArguments, usual: readonly string[]): Promise<ServeOptions> {
  const { isLoopback, LIMITS } = await import('../serve/index.js');
  const { host, port, workers, device, plugin, photos } = args;
  if (args.token !== undefined && args.token.length < 8) {
    throw new UsageError('--token is too short: at least 8 characters');
  }
  const given = args.token ?? (process.env.LAVIS_TOKEN || undefined);
  return {
    address: { host, port: port ?? PORT, orAnother: port === undefined },
    hosts: [
      ...(isLoopback(host) || host === '0.0.0.0' || host === '::' ? [] : [host]),
      ...args['allow-host'],
    ],
    token: given ?? (isLoopback(host) ? undefined : randomBytes(24).toString('base64url')),
    workers,
    task: {
      models: await modelsOf(args, usual),
      plugins: plugin.map((one) => resolve(one)),
      device,
      photos: photos === undefined ? undefined : resolve(photos),
    },
    limits: { ...LIMITS, ...limitsOf(args) },
  };
}

/** @throws UsageError for one that lets nothing through */
function limitsOf(args: ServeArguments): Partial<Limits> {
  const names = ['workers', 'max-batch', 'max-queue', 'max-body', 'max-megapixels', 'timeout'] as const;
  const nothing = names.find((name) => args[name] < 1);
  if (nothing) throw new UsageError(`--${nothing} is a whole number, at least 1`);
  return {
    maxBatch: args['max-batch'],
    maxWait: args['max-wait'],
    queue: args['max-queue'],
    bodyBytes: args['max-body'] * 2 ** 20,
    pixels: args['max-megapixels'] * 1e6,
    answerTime: args.timeout * 1000,
  };
}

/** The models by names that requests can tell apart. @throws UsageError for options that are for one alone */
async function modelsOf(
  args: ServeArguments,
  usual: readonly string[],
): Promise<{ name: string; source: ModelSource }[]> {
  const { model: named = [], ...rest } = args;
  const alone = (['cfg-path', 'model-type', 'checkpoint', 'adapter'] as const).find(
    (name) => args[name] !== undefined,
  );
  if (alone && named.length > 1) {
    throw new UsageError(
      `--${alone} is for one model: --model NAME:TYPE and --model NAME=CHECKPOINT say it of each`,
    );
  }
  const specs = named.length === 0 && !alone ? usual : named;
  const models: { name: string; source: ModelSource }[] = [];
  for (const spec of specs.length > 0 ? specs : [undefined]) {
    const [, arch, type, checkpoint] = /^([^:=]*)(?::([^=]*))?(?:=(.*))?$/s.exec(spec ?? '') ?? [];
    const own = {
      model: arch || undefined,
      ...(type ? { 'model-type': type } : {}),
      ...(checkpoint ? { checkpoint } : {}),
    };
    const source = await modelSource({ ...rest, ...own });
    const name = nameOf(source);
    const same = models.filter((one) => one.name === name || one.name.startsWith(`${name}#`)).length;
    models.push({ name: same > 0 ? `${name}#${same + 1}` : name, source });
  }
  return models;
}

/** Such as blip_caption:large_coco; of a model of one's own, the name of its YAML or its weights. */
function nameOf({ arch, modelType, checkpoint, cfgPath }: ModelSource): string {
  const file = checkpoint ?? cfgPath;
  if (arch === undefined && file !== undefined) return file.split(/[\\/]/).at(-1)!;
  const plain = arch ?? 'blip_caption';
  return modelType === undefined ? plain : `${plain}:${modelType}`;
}
