import { log } from '../common/logging.js';
import { openFile } from '../common/open_file.js';
import { defineCommand } from './command.js';
import { serveOptions, serverOf } from './serve_options.js';
import { serveUntilStopped } from './serve_until_stopped.js';

export const demo = defineCommand({
  options: {
    ...serveOptions,
    open: { type: 'boolean', default: true, describe: 'Open the page in the browser; --open=false does not' },
  },
  examples: [
    ['lavis demo', 'captions with the published weights'],
    ['lavis demo --model blip_caption --model blip_vqa', 'captions and answers'],
    ['lavis demo --photos photos', 'pictures of a folder, which is searched by words and by pictures'],
    [
      'lavis demo --cfg-path projects/blip/train/caption_shapes.yaml',
      'the model that this training run made',
    ],
    ['lavis demo --checkpoint output/BLIP/Caption_shapes/JOB/checkpoint_best.pth', 'a checkpoint'],
  ],
  epilogue: [
    'A page of this machine: nothing of it comes from elsewhere, and no picture leaves it. With --host 0.0.0.0 a phone can',
    'open the page by the address that is printed, which holds the token. The page asks as any program can: lavis serve.',
  ].join('\n'),
  async handler(args) {
    const usual = args.photos === undefined ? ['blip_caption'] : ['blip_caption', 'blip_image_text_matching'];
    const options = await serverOf(args, usual);
    const { demoPages } = await import('../serve/index.js');
    return serveUntilStopped({ ...options, pages: demoPages() }, async (url) => {
      const page = options.token === undefined ? `${url}/` : `${url}/#token=${options.token}`;
      console.log(`The demo is at ${page}`);
      if (args.open && !(await openFile(page))) log.info('Open it in a browser');
    });
  },
});
