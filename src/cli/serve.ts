import { log } from '../common/logging.js';
import { calledAs, defineCommand } from './command.js';
import { serveOptions, serverOf } from './serve_options.js';

export const serve = defineCommand({
  options: serveOptions,
  examples: [
    ['lavis serve', 'captions with the published weights, for programs on this machine'],
    ['lavis serve --model blip_caption --model blip_vqa', 'captions and answers'],
    [
      'lavis serve --model blip_image_text_matching --photos photos',
      'matches, features, and search in a folder',
    ],
    [
      'lavis serve --cfg-path projects/blip/train/caption_shapes.yaml',
      'the model that this training run made',
    ],
    ['lavis serve --host 0.0.0.0 --workers 2', 'for other machines, which send the token that is printed'],
  ],
  epilogue: [
    'GET /openapi.json describes the interface; docs/serve.md shows it with curl. Nothing leaves this machine. SIGTERM and',
    'Ctrl-C let it finish what it has begun.',
  ].join('\n'),
  async handler(args) {
    const options = await serverOf(args, ['blip_caption']);
    const { LavisServer } = await import('../serve/index.js');
    const server = new LavisServer(options);
    const stopped = new Promise<void>((done) => process.once('SIGINT', done).once('SIGTERM', done));
    const loaded = await Promise.race([server.start(), stopped]);
    if (loaded) {
      for (const { name, uses } of loaded.models) log.info(`${name}: ${uses.join(', ')}`);
      if (loaded.photos.length > 0)
        log.info(`${loaded.photos.length} images of ${options.task.photos} can be searched`);
      console.log(`lavis serve is at ${server.url}`);
      if (options.token !== undefined) console.log(`Authorization: Bearer ${options.token}`);
      log.info(`${calledAs()} serve --help says more; Ctrl-C ends it`);
      await stopped;
      log.info('Ending: what is in flight is finished; Ctrl-C again ends at once');
    }
    process.once('SIGINT', () => process.exit(130));
    await server.end();
    return 0;
  },
});
