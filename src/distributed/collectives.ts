import { DistributedError, messageOf } from '../common/errors.js';
import { log } from '../common/logging.js';
import type { Communicator } from './communicator.js';
import { reportConsequence } from './faults.js';

/** @throws DistributedError on every rank when some rank has other lines, with the first difference. */
export async function requireSame(comm: Communicator, lines: readonly string[], what: string): Promise<void> {
  const all = await comm.allGather(lines, `names of ${what}`);
  for (const [rank, other] of all.entries()) {
    const at = other.findIndex((line, i) => line !== all[0][i]);
    if (at < 0 && other.length === all[0].length) continue;
    const i = at < 0 ? Math.min(other.length, all[0].length) : at;
    throw new DistributedError(`the ranks have different ${what}`, {
      where: `rank ${rank}, entry ${i}`,
      found: other[i] ?? 'nothing',
      allowed: `rank 0 has ${all[0][i] ?? 'nothing'}`,
    });
  }
}

/** Warns of what each rank has to say, on the lowest rank that says it: the same words are told once. */
export async function warnTogether(comm: Communicator, messages: readonly string[]): Promise<void> {
  const all = await comm.allGather(messages, 'warnings');
  const told = new Set(all.slice(0, comm.rank).flat());
  for (const message of messages) if (!told.has(message)) log.warn(message);
}

/**
 * Lets rank 0 do something once (a download, a file, scores) while the others wait with a message; what it throws
 * is thrown on every rank.
 * @param what named in the message: "downloads the weights"
 * @returns what rank 0's work returned, on every rank
 */
export async function onRankZero<T>(
  comm: Communicator,
  what: string,
  work: () => Promise<T> | T,
): Promise<T> {
  type Outcome = { value: T } | { error: string };
  let outcome: Outcome | undefined;
  let thrown: unknown;
  if (comm.rank === 0) {
    try {
      outcome = { value: await work() };
    } catch (error) {
      thrown = error;
      outcome = { error: messageOf(error) };
    }
  }
  const notice = setTimeout(() => {
    if (comm.rank === 1) log.warn(`the other ranks wait while rank 0 ${what}`);
  }, 30_000);
  // A day: how long a download or scores take is nobody's fault. A rank 0 that ends is noticed at once.
  const all = await comm
    .allGather(outcome, `rank 0 ${what}`, { timeoutSeconds: 86_400 })
    .finally(() => clearTimeout(notice));
  const first = all[0]!;
  if ('value' in first) return first.value;
  if (thrown) throw thrown;
  reportConsequence(comm.rank);
  throw new DistributedError(`rank 0 failed while it ${what}`, {
    where: `rank ${comm.rank}`,
    found: first.error.split('\n')[0],
  });
}
