import { defineCommand } from './command.js';

export const setup = defineCommand({
  options: {
    libtensorflow: {
      type: 'string',
      requiresArg: true,
      describe: 'A libtensorflow that is there already, with include/ and lib/; downloaded unless given',
    },
    check: { type: 'boolean', default: false, describe: 'Try what is installed, change nothing' },
  },
  positionals: {
    part: { type: 'string', choices: ['cuda'], demandOption: true, describe: 'What to make ready' },
  },
  examples: [
    ['lavis setup cuda', 'downloads libtensorflow and the addon of tfjs-node-gpu, and tries them'],
    ['lavis setup cuda --libtensorflow /opt/libtensorflow', 'compiles the addon against one that is there'],
    ['lavis setup cuda --check', 'tries it only'],
  ],
  epilogue: 'Takes an NVIDIA driver, CUDA 11.2 and cuDNN 8.1 (docs/gpu.md). lavis doctor shows every engine.',
  async handler({ libtensorflow, check }) {
    const { installCuda } = await import('../engine/index.js');
    console.log(installCuda({ libtensorflow, check }));
    console.log('CUDA works: --device cuda, or run.device: cuda');
  },
});
