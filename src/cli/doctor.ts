import { styleText } from 'node:util';
import {
  type Check,
  checkCache,
  checkEngine,
  checked,
  checkGpus,
  checkHost,
  checkMachine,
  checkNode,
  checkProgram,
} from '../doctor/index.js';
import { defineCommand } from './command.js';

const OFFLINE =
  'HTTPS_PROXY, or the files put into the cache by hand: a run that needs one names its URL and its place';

/** All checks, each begun when the one before it has ended: engines are measured alone. */
const CHECKS: readonly (readonly [title: string, check: () => Promise<Check> | Check])[] = [
  ['Node', () => checkNode()],
  ['Machine', checkMachine],
  ['GPUs', () => checkGpus()],
  ['Engine cuda', () => checkEngine('cuda')],
  ['Engine webgpu', () => checkEngine('webgpu')],
  ['Engine cpu', () => checkEngine('cpu')],
  [
    'MPI',
    () =>
      checkProgram(
        'MPI',
        'mpirun',
        ['--version'],
        'training on several machines needs one',
        'apt-get install openmpi-bin; on one machine --nproc-per-node does without',
      ),
  ],
  [
    'Java',
    () =>
      checkProgram(
        'Java',
        'java',
        ['-version'],
        'METEOR and SPICE are left out of evaluations',
        'apt-get install default-jre-headless',
      ),
  ],
  ['Cache', checkCache],
  [
    'storage.googleapis.com',
    () => checkHost('storage.googleapis.com', "BLIP's weights and the annotations of COCO", OFFLINE),
  ],
  ['huggingface.co', () => checkHost('huggingface.co', 'the vocabulary of bert-base-uncased', OFFLINE)],
  ['images.cocodataset.org', () => checkHost('images.cocodataset.org', 'the images of COCO', OFFLINE)],
];

const MARKS = { good: ['green', '+'], absent: ['yellow', '-'], bad: ['red', 'x'] } as const;

export const doctor = defineCommand({
  options: {
    json: { type: 'boolean', default: false, describe: 'Print JSON' },
    offline: { type: 'boolean', default: false, describe: 'Leave the network alone' },
  },
  examples: [
    ['lavis doctor', 'what works here, how fast, and what to do about the rest'],
    ['lavis doctor --json > machine.json', 'to send along with a question'],
  ],
  epilogue: '+ works, - is not there and a run may do without, x has to be mended (exit code 1).',
  async handler(args) {
    const checks: Check[] = [];
    for (const [title, check] of CHECKS) {
      if (args.offline && title.includes('.')) continue;
      const result = await checked(title, check);
      checks.push(result);
      if (!args.json) console.log(line(result));
    }
    if (args.json) console.log(JSON.stringify(checks, null, 2));
    return checks.some(({ state }) => state === 'bad') ? 1 : undefined;
  },
});

function line({ title, state, text, help }: Check): string {
  const indent = ' '.repeat(26);
  const [colour, sign] = MARKS[state];
  const mark = process.stdout.isTTY && !process.env.NO_COLOR ? styleText(colour, sign) : sign;
  const first = `${mark} ${title.padEnd(23)} ${text}`;
  return help ? `${first}\n${indent}${help.replaceAll('\n', `\n${indent}`)}` : first;
}
