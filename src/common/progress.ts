import { log } from './logging.js';
import { clock, formatBytes } from './words.js';

/** Milliseconds between lines where there is no terminal. */
const EVERY = 10_000;

/** Shows how far something counted is: a bar on a terminal, else a line now and then. */
export function timedProgress(label: string, total: number, unit = 'batch'): (done: number) => void {
  const start = Date.now();
  let last = start;
  return (done) => {
    const now = Date.now();
    const left = ((now - start) / 1000 / done) * (total - done);
    const details = [`${done}/${total}`, `eta ${clock(left)}`];
    if (log.terminal) return log.status(done < total ? bar(label, done / total, details) : '');
    if (now - last < EVERY && done < total) return;
    if (done === total && now - start < EVERY) return;
    last = now;
    log.info(`${label}  ${unit} ${done}/${total}  eta ${clock(left)}`);
  };
}

/**
 * `epoch 3  ━━━━━━━────────  46%  loss 1.23  eta 0:10:00`, not wider than the terminal: of `details` the
 * middle ones give way first, then the bar.
 * @param part done, 0 to 1
 */
export function bar(label: string, part: number, details: readonly string[], columns = log.columns): string {
  const percent = `${Math.floor(100 * part)}%`.padStart(4);
  const shown = [...details];
  const rest = () => [label, percent, ...shown].join('  ').length + 2;
  while (shown.length > 2 && rest() + 10 > columns - 1) shown.splice(shown.length - 2, 1);
  const width = Math.max(0, Math.min(40, columns - 1 - rest()));
  const filled = Math.round(width * Math.min(1, part));
  const line = `${'━'.repeat(filled)}${'─'.repeat(width - filled)}`;
  return [label, line, percent, ...shown].join('  ').slice(0, columns - 1);
}

/**
 * Tells how far a download is: one line that moves on a terminal, a line for every tenth in a log.
 * @returns to be called with the bytes received and the bytes in all, where they are known.
 */
export function downloadProgress(label: string): (received: number, total: number | undefined) => void {
  let start: { at: number; bytes: number } | undefined;
  let told = 0;
  let tenth = 0;
  return (received, total) => {
    const now = Date.now();
    start ??= { at: now, bytes: received };
    const done = received === total;
    const rate = (received - start.bytes) / Math.max(1, now - start.at);
    const left =
      total === undefined || rate === 0 ? '' : `, ${Math.ceil((total - received) / rate / 1000)} s left`;
    const of = total === undefined ? '' : ` of ${formatBytes(total)}`;
    const line = `${label}: ${formatBytes(received)}${of}, ${formatBytes(rate * 1000)}/s${done ? '' : left}`;
    if (log.terminal) {
      if (!done && now - told < 200) return;
      told = now;
      log.status(done ? '' : line.slice(0, log.columns - 1));
      if (done) log.info(line);
    } else {
      const reached = total ? Math.floor((received / total) * 10) : Math.floor(received / 1e8);
      if (reached === tenth) return;
      tenth = reached;
      log.info(line);
    }
  };
}
