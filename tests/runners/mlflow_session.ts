import { join } from 'node:path';
import { MlflowClient } from '#src/runners/loggers/mlflow_client.js';
import { type MlflowFacts, MlflowRun } from '#src/runners/loggers/mlflow_run.js';
import type { MetricsLine } from '#src/runners/metrics_log.js';

/** Parameters of a number that takes two messages, one too long, and names that MLflow does not take. */
export const FACTS: MlflowFacts = {
  experiment: 'lavis session',
  name: 'output/job',
  params: [
    ...Array.from({ length: 101 }, (_, i) => ({ key: `run.key_${i}`, value: String(i) })),
    { key: 'model.prompt', value: '' },
    { key: "datasets.it's/../odd", value: 'x'.repeat(7000) },
  ],
  tags: { 'lavis.task': 'captioning', team: 'blue' },
};

export const LINES: MetricsLine[] = [
  { kind: 'step', epoch: 0, iteration: 1, time: 1700000000.25, step: 1, steps: 2, loss: 2.5, lr: 1e-5 },
  { kind: 'step', epoch: 0, iteration: 2, time: 1700000001, step: 2, steps: 2, loss: Number.NaN, lr: 1e-5 },
  { kind: 'epoch', epoch: 0, iteration: 2, time: 1700000002, loss: 2.25 },
  {
    ...{ kind: 'evaluation', epoch: 0, iteration: 2, time: 1700000003, split: 'val', label: 0, best: true },
    ...{ CIDEr: 0.75, 'yes/no': 50, 'what is the?': 25, loss: 2 },
  },
];

/** What a resumed run adds: the last line before the stop comes again. */
export const LATER: MetricsLine[] = [
  {
    kind: 'step',
    epoch: 1,
    iteration: 3,
    time: 1700000010,
    step: 1,
    steps: 2,
    loss: Number.POSITIVE_INFINITY,
  },
  { kind: 'end', epoch: 1, iteration: 3, time: 1700000011 },
];

/** A run that is told to a server, stopped, and gone on with: with a parameter that changed and one that is new. */
export async function tellSession(uri: string, folder: string): Promise<void> {
  const client = new MlflowClient(uri, {});
  const file = join(folder, 'mlflow.json');
  const first = await MlflowRun.open(client, file, FACTS);
  for (const line of LINES) first.add(line);
  await first.close('KILLED');
  const [zero, ...others] = FACTS.params;
  const params = [{ ...zero, value: 'other' }, ...others, { key: 'run.resume', value: 'True' }];
  const second = await MlflowRun.open(client, file, { ...FACTS, params });
  for (const line of [...LINES.slice(0, 3), LINES[3], ...LATER]) second.add(line);
  await second.close('FINISHED');
}
