import { messageOf } from '../common/errors.js';
import {
  type Check,
  checkCache,
  checkEngine,
  checkHost,
  checkMachine,
  checkNode,
  checkProgram,
} from './checks.js';
import { checkGpus } from './gpus.js';

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

/** What of this machine helps or hinders, one finding after the other. @param offline leaves the network alone */
export async function* examineMachine({
  offline = false,
}: {
  offline?: boolean;
} = {}): AsyncGenerator<Check> {
  for (const [title, check] of CHECKS) {
    if (!offline || !title.includes('.')) yield checked(title, check);
  }
}

/** What a check that throws says. */
export async function checked(title: string, check: () => Promise<Check> | Check): Promise<Check> {
  try {
    return await check();
  } catch (error) {
    return { title, state: 'bad', text: messageOf(error) };
  }
}
