import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LavisServer, LIMITS, type Limits, type Loaded, type ServeOptions } from '#src/serve/index.js';
import { type FixtureImages, fixtureImages } from '../cli/fixture_images.js';
import { tinySection } from '../models/tiny.js';

/** The fixtures that can be served: their images, and what has the tensors of the reference behind them. */
export const FIXTURES = {
  tiny_caption: (folder: string) =>
    fixtureImages(join(folder, 'caption'), 'tiny_caption', 'generation_inputs.safetensors', tinySection()),
  tiny_vqa: (folder: string) => fixtureImages(join(folder, 'vqa'), 'tiny_vqa', 'predict_inputs.safetensors'),
  tiny_itm: (folder: string) => fixtureImages(join(folder, 'itm'), 'tiny_itm'),
};

export interface TinyServer {
  server: LavisServer;
  loaded: Loaded;
  url: string;
  images: Partial<Record<keyof typeof FIXTURES, FixtureImages>>;
  /** POST of JSON. */
  post(path: string, body: object, headers?: Record<string, string>): Promise<Response>;
  /** The bytes of a fixture's image in base64. */
  image(name: keyof typeof FIXTURES, index: number): string;
}

export interface TinyOptions extends Partial<Omit<ServeOptions, 'limits' | 'task'>> {
  fixtures: readonly (keyof typeof FIXTURES)[];
  limits?: Partial<Limits>;
  photos?: string;
}

/** A server with real workers and the tiny models of the fixtures; `server.end()` ends it. */
export async function tinyServer(
  folder: string,
  { fixtures, limits, photos, ...options }: TinyOptions,
): Promise<TinyServer> {
  const images: TinyServer['images'] = {};
  for (const name of fixtures) images[name] = await FIXTURES[name](folder);
  const option = ({ common }: FixtureImages, name: string) => common[common.indexOf(name) + 1];
  const server = new LavisServer({
    address: { host: '127.0.0.1', port: 0 },
    hosts: [],
    workers: 1,
    limits: { ...LIMITS, ...limits },
    ...options,
    task: {
      models: fixtures.map((name) => ({
        name,
        source: {
          cfgPath: option(images[name]!, '--cfg-path'),
          checkpoint: option(images[name]!, '--checkpoint'),
        },
      })),
      plugins: fixtures.map((name) => option(images[name]!, '--plugin')),
      device: 'cpu',
      photos,
    },
  });
  const loaded = await server.start();
  const { url } = server;
  return {
    ...{ server, loaded, url, images },
    post: (path, body, headers) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    image: (name, index) => readFileSync(images[name]!.files[index]).toString('base64'),
  };
}
