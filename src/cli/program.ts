import { setImmediate } from 'node:timers/promises';
import { explainWriteFailure } from '../common/files.js';
import { startedByNohup } from '../common/hangup.js';
import { log } from '../common/logging.js';
import { commandOf, main } from './index.js';

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
  const code = await main(argv);
  await setImmediate(); // a failed write is told after the call that made it
  return lost && tell(lost) && code === 0 && whenLost !== 'warn' ? 1 : code;
}

/** @returns false for a reader that has gone, which nobody needs to be told */
function tell(error: NodeJS.ErrnoException): boolean {
  if (error.code === 'EPIPE') return false;
  log.status('');
  log.print(`lavis: standard output cannot be written: ${explainWriteFailure(error)}\n`);
  return true;
}
