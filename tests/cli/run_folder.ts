import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';

/** Text that is dangerous wherever it is not escaped. */
export const HOSTILE = `<img src=x onerror="document.title='broken'"></script><script>document.title='broken'</script>'"&`;

/** A run's folder as the runner leaves it, with hostile text wherever a user or a dataset can put some. */
export async function hostileRun(parent: string): Promise<string> {
  const folder = join(parent, 'output', 'job');
  for (const name of ['result', 'shown', 'photos']) mkdirSync(join(folder, name), { recursive: true });
  const photo = join(folder, 'photos', 'a.png');
  await sharp({ create: { width: 400, height: 300, channels: 3, background: '#c04020' } })
    .png()
    .toFile(photo);
  const secret = join(folder, 'photos', 'secret.txt');
  writeFileSync(secret, 'not for the browser');
  const drawing = join(folder, 'photos', 'drawing.svg');
  writeFileSync(drawing, '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>');
  writeJson(folder, 'shown/val_epoch0.json', {
    score: 'CIDEr',
    samples: [
      { id: 1, files: [photo], said: 'a red wall', references: ['a red wall', HOSTILE], score: 1.5 },
      { id: HOSTILE, files: [secret], asked: HOSTILE, said: HOSTILE, references: ['a dog'], score: 0.5 },
      { id: 'drawing', files: [drawing], said: 'a cat', references: ['a line'], score: 0 },
    ],
  });
  writeJson(folder, 'run.json', {
    started: '2026-01-01T10:00:00.000Z',
    command: ['lavis', 'train', HOSTILE],
    resumed: false,
    config: [
      { key: 'run.seed', value: 42, origin: 'configs/default.yaml:1:1 (default)' },
      { key: 'model.prompt', value: HOSTILE, origin: `${HOSTILE}.yaml:3:4` },
    ],
    environment: { engine: HOSTILE },
    parameters: 1_700_000,
    rounds: 2,
    unit: 'epoch',
    metrics: { primary: 'CIDEr', shown: ['Bleu_4', HOSTILE] },
  });
  const time = 1_767_261_600;
  const steps = Array.from({ length: 40 }, (_, i) => ({
    ...{ kind: 'step', epoch: 0, step: i + 1, steps: 40, iteration: i + 1, time: time + i },
    ...{ loss: 4 / (1 + i), lr: 1e-4, grad_norm: 1, images_per_second: 8, data_wait: 0.02, eta_seconds: 75 },
  }));
  const scores = { Bleu_4: 0.25, CIDEr: 1.25, agg_metrics: 1.5, [HOSTILE]: 1 };
  const evaluation = { kind: 'evaluation', epoch: 0, split: 'val', label: 0, iteration: 40, time: time + 50 };
  const lines = [...steps, { ...evaluation, ...scores }];
  writeFileSync(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return folder;
}

export function writeJson(folder: string, name: string, value: unknown): void {
  writeFileSync(join(folder, name), JSON.stringify(value));
}
