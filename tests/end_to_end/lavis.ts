import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '#src/cli/index.js';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** One command line, in this process, with what it printed. */
export async function lavis(...argv: string[]): Promise<Outcome> {
  const printed = { stdout: '', stderr: '' };
  const originals = { stderr: process.stderr.write, log: console.log };
  process.stderr.write = ((text: string) => {
    printed.stderr += text;
    return true;
  }) as typeof process.stderr.write;
  console.log = (...values: unknown[]) => {
    printed.stdout += `${values.join(' ')}\n`;
  };
  try {
    return { code: await main(argv), ...printed };
  } finally {
    process.stderr.write = originals.stderr;
    console.log = originals.log;
  }
}

/** The only job folder under an output folder. */
export function jobFolder(outputDir: string): string {
  const [job, ...others] = readdirSync(outputDir);
  if (!job || others.length > 0) throw new Error(`not one job: ${[job, ...others].join(', ')}`);
  return join(outputDir, job);
}
