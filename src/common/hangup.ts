import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** Set by the launcher for its workers, whose standard input is their own. */
export const NOHUP = 'LAVIS_NOHUP';

/**
 * Whether `nohup` started this process. Node puts SIGHUP's default back when it starts, so what nohup promised
 * has to be kept here. The shell tells the command's name in `_`; nohup itself makes a standard input that was
 * a terminal unreadable.
 */
export function startedByNohup(env: Record<string, string | undefined> = process.env): boolean {
  return env[NOHUP] === '1' || basename(env._ ?? '') === 'nohup' || inputIsUnreadable();
}

/** Standard input is /dev/null, opened for writing alone. Linux only. */
function inputIsUnreadable(): boolean {
  try {
    if (readlinkSync('/proc/self/fd/0') !== '/dev/null') return false;
    const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & 3) === 1;
  } catch {
    return false;
  }
}
