import { join } from 'node:path';
import { messageOf } from '../common/errors.js';
import { writeFileAtomic } from '../common/files.js';
import { log } from '../common/logging.js';
import { evaluatedTables } from './evaluated.js';
import { reportPage } from './pages/report_page.js';
import { readRun } from './read_run.js';

/** Writes report.html in a run's folder. @param options.images of each split at most @returns its path */
export async function writeReport(
  folder: string,
  { images = 200, out = join(folder, 'report.html') }: { images?: number; out?: string } = {},
): Promise<string> {
  const run = await readRun(folder);
  await writeFileAtomic(out, await reportPage(run, await evaluatedTables(run, images)));
  return out;
}

/** The same at the end of a run, which a report that fails must not spoil. */
export async function reportAtEnd(folder: string): Promise<void> {
  try {
    log.info(`The report is ${await writeReport(folder)}`);
  } catch (thrown) {
    log.warn(`no report was written (lavis report ${folder} tries again): ${messageOf(thrown)}`);
  }
}
