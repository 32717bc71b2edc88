/**
 * Makes the mistakes of tests/fixtures/mistakes/mistakes.yaml one after the other and keeps what lavis prints.
 * Run by itself it prints them as JSON.
 */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { main } from '../../dist/cli/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** @returns each mistake with its `argv`, the `text` of its run.yaml and where in it the wrong part has its `start`, the exit `code` and what was `printed` */
export async function makeMistakes() {
  const mistakes = load(readFileSync(join(root, 'tests/fixtures/mistakes/mistakes.yaml'), 'utf8'));
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lavis-mistakes-')));
  const before = { cwd: process.cwd(), cache: process.env.LAVIS_CACHE_ROOT };
  process.chdir(folder);
  process.env.LAVIS_CACHE_ROOT = join(folder, 'cache');
  try {
    await run(['init', 'my-project']);
    process.chdir('my-project');
    const right = readFileSync('run.yaml', 'utf8');
    const made = [];
    for (const mistake of mistakes) {
      const start = mistake.right === undefined ? -1 : placeOf(right, mistake);
      const text = start < 0 ? right : replaced(right, start, mistake);
      writeFileSync('run.yaml', text);
      const argv = mistake.command ?? ['train', '--cfg-path', 'run.yaml'];
      const { code, stderr } = await run(argv);
      made.push({ ...mistake, argv, start, text, code, printed: neutral(messageOf(stderr), folder) });
    }
    return made;
  } finally {
    process.chdir(before.cwd);
    if (before.cache === undefined) delete process.env.LAVIS_CACHE_ROOT;
    else process.env.LAVIS_CACHE_ROOT = before.cache;
    rmSync(folder, { recursive: true, force: true });
  }
}

function placeOf(text, { title, right }) {
  const start = text.indexOf(right);
  if (start < 0) throw new Error(`${title}: run.yaml has no ${JSON.stringify(right)}`);
  return start;
}

const replaced = (text, start, { right, wrong }) =>
  text.slice(0, start) + wrong + text.slice(start + right.length);

/** One command line in this process. */
async function run(argv) {
  const originals = { stderr: process.stderr.write, log: console.log };
  let stderr = '';
  process.stderr.write = (text) => {
    stderr += text;
    return true;
  };
  console.log = () => {};
  try {
    return { code: await main(argv), stderr };
  } finally {
    process.stderr.write = originals.stderr;
    console.log = originals.log;
  }
}

/** Without the lines before the error, which tell of this machine. */
const messageOf = (stderr) => stderr.slice(Math.max(0, stderr.search(/^(\w+Error|lavis): /m))).trimEnd();

const neutral = (text, folder) =>
  text
    .replaceAll(join(folder, 'cache'), '/home/you/.cache/lavis')
    .replaceAll(folder, '/home/you')
    .replaceAll(root.replace(/\/$/, ''), '/home/you/lavis');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(JSON.stringify(await makeMistakes()));
}
