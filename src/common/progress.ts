import { log } from './logging.js';

/** "1.5 GB": bytes for people, decimal as disks and providers count. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
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

/** The first few of a list, and how many there are beyond. */
export function some(items: readonly unknown[]): string {
  const shown = items.slice(0, 5).join(', ');
  return items.length > 5 ? `${shown} and ${items.length - 5} more` : shown;
}

/** "1 epoch", "7 epochs". */
export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** "446.2 million": a count for people. */
export function formatCount(count: number): string {
  return count < 1e6 ? count.toLocaleString('en') : `${(count / 1e6).toFixed(1)} million`;
}
