import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'csv-parse/sync';
import { RunInterrupted } from '#src/common/errors.js';
import { type MetricsLine, type RunHook, readMetrics } from '#src/runners/index.js';
import { temporaryFolder } from '../support.js';
import { type TinyRun, tinyRun } from './tiny_run.js';

const folder = temporaryFolder();

/** The table as a program for tables reads it: a row a line, every one as wide as the head. */
function tableOf(path: string): Record<string, string>[] {
  return parse(readFileSync(path, 'utf8'), { columns: true, record_delimiter: '\r\n' });
}

/** A line as the table has it. */
function cells(line: MetricsLine, columns: string[]): Record<string, string> {
  const time = new Date(1000 * line.time).toISOString().slice(0, 19).replace('T', ' ');
  return Object.fromEntries(
    columns.map((name) => [name, name === 'time' ? time : String(line[name] ?? '')] as const),
  );
}

describe('run.hooks: [csv]', () => {
  let tiny: TinyRun;
  before(async () => {
    tiny = await tinyRun(folder, { log_freq: 2, hooks: ['csv'] });
  });

  /** The table holds metrics.jsonl, line by line. */
  async function compare(job: string, file = 'metrics.csv'): Promise<string[]> {
    const rows = tableOf(join(job, file));
    const lines = await readMetrics(job);
    const columns = Object.keys(rows[0]);
    assert.deepEqual(
      rows,
      lines.map((line) => cells(line, columns)),
    );
    const numbers = lines.flatMap(({ steps: _, ...line }) => Object.keys(line));
    assert.deepEqual([...new Set(numbers)].sort(), [...columns].sort());
    return columns;
  }

  it('writes a row a line, and the columns of later numbers behind the others', async () => {
    const runner = await tiny.runner('whole');
    await runner.train();
    const columns = await compare(runner.folder.path);
    const place = ['time', 'kind', 'epoch', 'iteration', 'step', 'split', 'label', 'best'];
    assert.deepEqual(columns.slice(0, 10), [...place, 'loss', 'loss_lm']);
    assert.ok(columns.indexOf('CIDEr') > columns.indexOf('eta_seconds'));
    const tensorBoard = readdirSync(runner.folder.path).filter((name) => name.startsWith('events.'));
    assert.equal(tensorBoard.length, 1, 'as every run has it');
  });

  it('takes rows back with the lines of a run that is resumed, into the file that it is told', async () => {
    let steps = 0;
    const stop: RunHook = { afterStep: () => void (++steps === 9 && process.kill(process.pid, 'SIGINT')) };
    const options = ['run.hooks=[{csv: {file: table.csv}}, tensorboard]', 'run.save_every_iters=7'];
    await assert.rejects((await tiny.runner('stopped', options, [stop])).train(), RunInterrupted);
    cpSync(join(folder, 'stopped'), join(folder, 'resumed'), { recursive: true });
    const checkpoint = `run.resume_ckpt_path=${join(folder, 'resumed', 'job', 'checkpoint_best.pth')}`;
    const runner = await tiny.runner('resumed', [...options, checkpoint]);
    await runner.train();
    await compare(runner.folder.path, 'table.csv');
    const iterations = tableOf(join(runner.folder.path, 'table.csv')).map(({ iteration }) =>
      Number(iteration),
    );
    assert.deepEqual(
      iterations,
      [...iterations].sort((a, b) => a - b),
    );
    const events = readdirSync(runner.folder.path).filter((name) => name.startsWith('events.'));
    assert.equal(events.length, 1, 'named, it is not there twice');
  });
});
