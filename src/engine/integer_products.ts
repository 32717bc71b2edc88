import { readFileSync } from 'node:fs';

/** What Linux calls instructions that multiply 8-bit integers and sum in 32 bits: VNNI and AMX. */
const FLAGS = /\b(avx512_vnni|avx_vnni|amx_int8)\b/;

/** Whether this processor sums products of 8-bit integers in 32 bits. Unknown is no, but for Arm, where all of today's do. */
export function hasIntegerDotProducts(arch: string = process.arch, cpuInfo = readCpuInfo()): boolean {
  return arch === 'arm64' || FLAGS.test(cpuInfo);
}

function readCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
