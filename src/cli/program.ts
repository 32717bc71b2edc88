import { setImmediate } from 'node:timers/promises';
import { explainWriteFailure } from '../common/files.js';
import { startedByNohup } from '../common/hangup.js';
import { log } from '../common/logging.js';
import { version } from '../common/paths.js';
import { commandOf } from './commands.js';

/**
 * `lavis` as a program: runs one command line, whatever becomes of the terminal, the pipe or the file that its
 * output goes to. Standard error is for people: where nobody reads it, the words are lost and the work goes on.
 * Without standard output a command ends, quietly where its reader has seen enough (`lavis zoo | head -1`), unless
 * its work is kept in files.
 * @returns the exit code
 */
export async function program(argv: readonly string[]): Promise<number> {
  const whenLost = commandOf(argv)?.whenOutputIsLost ?? 'end';
  let lost: NodeJS.ErrnoException | undefined;
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error) => {
    const first = lost === undefined;
    lost ??= error;
    if (first && whenLost === 'end') process.exit(tell(error) ? 1 : 0);
  });
  if (startedByNohup()) process.on('SIGHUP', () => {});
  const code = await run(argv);
  await setImmediate(); // a failed write is told after the call that made it
  return lost && tell(lost) && code === 0 && whenLost !== 'warn' ? 1 : code;
}

/** `lavis --version` needs nothing else. */
async function run(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && ['--version', '-v'].includes(argv[0])) {
    console.log(version());
    return 0;
  }
  const { main } = await import('./index.js');
  return main(argv);
}

/** @returns false for a reader that has gone, which nobody needs to be told */
function tell(error: NodeJS.ErrnoException): boolean {
  if (error.code === 'EPIPE') return false;
  log.status('');
  log.print(`lavis: standard output cannot be written: ${explainWriteFailure(error)}\n`);
  return true;
}
