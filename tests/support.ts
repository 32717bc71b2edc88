import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after } from 'node:test';

/** A file of tests/fixtures: numbers made by running the reference. */
export const fixture = (...parts: string[]) => resolve('tests/fixtures', ...parts);

export const fixtureJson = <T>(...parts: string[]): T =>
  JSON.parse(readFileSync(fixture(...parts), 'utf8')) as T;

/** An empty folder that is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lavis-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
