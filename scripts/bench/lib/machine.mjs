import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

/** What figures belong to. */
export const machine = () => ({
  date: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0].model,
  cores: availableParallelism(),
  memoryGb: Math.round(totalmem() / 2 ** 30),
});

/** Whether the processor multiplies bfloat16 numbers. */
export const hasBfloat16 = () =>
  existsSync('/proc/cpuinfo') && /\b(amx_bf16|avx512_bf16)\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));

/**
 * The most resident memory of this process, in GB. Linux's own counter begins with the program: the one of
 * getrusage begins with the parent's.
 */
export function peakGb() {
  try {
    const [, kb] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
    return Number(kb) / 1e6;
  } catch {
    return process.resourceUsage().maxRSS / 1e6;
  }
}

export const residentGb = () => process.memoryUsage.rss() / 1e9;
