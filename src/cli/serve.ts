import { defineCommand } from './command.js';
import { serveOptions, serverOf } from './serve_options.js';
import { serveUntilStopped } from './serve_until_stopped.js';

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
    return serveUntilStopped(options, (url) => {
      console.log(`lavis serve is at ${url}`);
      if (options.token !== undefined) console.log(`Authorization: Bearer ${options.token}`);
    });
  },
});
