import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { memoryFolder } from '#src/distributed/local/memory_file.js';

export interface RankResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What the rank printed as JSON lines. */
  readonly values: unknown[];
  readonly output: string;
  readonly seconds: number;
}

export const workerFile = (name: string) => join(import.meta.dirname, 'workers', `${name}.js`);

/** Runs a worker file on several ranks that meet in a folder of their own; nothing may be left in memory. */
export async function runRanks(
  count: number,
  worker: string,
  args: string[] = [],
  options: { env?: Record<string, string>; onStart?: (children: ChildProcess[]) => void } = {},
): Promise<RankResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'lavis-ranks-'));
  const children = Array.from({ length: count }, (_, rank) =>
    spawn(process.execPath, [workerFile(worker), ...args], {
      env: {
        ...process.env,
        RANK: String(rank),
        LOCAL_RANK: String(rank),
        WORLD_SIZE: String(count),
        LAVIS_MEETING_FOLDER: folder,
        ...options.env,
      },
    }),
  );
  options.onStart?.(children);
  try {
    const results = await Promise.all(children.map(finished));
    const left = readdirSync(memoryFolder()).filter((name) => name.startsWith(basename(folder)));
    left.push(...readdirSync(folder));
    if (left.length > 0) throw new Error(`left behind: ${left}`);
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a worker file under `mpirun`; all ranks' lines come in one result. */
export function runMpi(count: number, worker: string, args: string[] = [], env: Record<string, string> = {}) {
  const command = ['--allow-run-as-root', '--oversubscribe', '-np', String(count), process.execPath];
  return finished(
    spawn('mpirun', [...command, workerFile(worker), ...args], { env: { ...process.env, ...env } }),
  );
}

export function finished(child: ChildProcess): Promise<RankResult> {
  const start = performance.now();
  let output = '';
  let printed = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
    printed += chunk;
  });
  child.stderr?.on('data', (chunk) => (output += chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const values = printed.split('\n').flatMap(parsed);
      resolve({ code, signal, values, output, seconds: (performance.now() - start) / 1000 });
    });
  });
}

/** A line of JSON; other lines are for people. */
function parsed(line: string): unknown[] {
  if (!line.startsWith('{')) return [];
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
