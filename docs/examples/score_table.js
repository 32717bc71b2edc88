import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { key, registry, section, types } from 'lavis';

/** Writes the scores of every evaluation into a table that spreadsheets open. */
class ScoreTable {
  static configSchema = section({
    score_table: key(types.text, 'scores.csv', "The table's file in the run's folder."),
  });

  afterEvaluation(run, split, metrics, label, best) {
    if (run.comm.rank > 0) return;
    const { score_table: name } = run.config.read('run', ScoreTable.configSchema);
    const path = join(run.folder.path, name);
    const names = Object.keys(metrics);
    if (!existsSync(path)) appendFileSync(path, `${['split', 'epoch', 'best', ...names].join()}\n`);
    appendFileSync(path, `${[split, label, best, ...names.map((each) => metrics[each])].join()}\n`);
  }
}
registry.registerHook('score_table')(ScoreTable);
