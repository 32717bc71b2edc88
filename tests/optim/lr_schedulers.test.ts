import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '#src/common/registry.js';
import '#src/optim/index.js';
import { fixtureJson } from '../support.js';

interface Case {
  scheduler: string;
  params: Record<string, number>;
  table: [epoch: number, step: number, lr: number][];
}

const { cases, registered } = fixtureJson<{ cases: Case[]; registered: string[] }>(
  'schedulers',
  'schedulers.json',
);

test('the three schedules of the reference are registered', () => {
  assert.deepEqual(registry.listLrSchedulers(), registered);
});

for (const [i, { scheduler, params, table }] of cases.entries()) {
  test(`${scheduler} gives the reference's rates (case ${i})`, () => {
    const Scheduler = registry.getLrSchedulerClass(scheduler);
    const schedule = new Scheduler({
      initLr: params.init_lr,
      minLr: params.min_lr,
      maxEpoch: params.max_epoch,
      warmupStartLr: params.warmup_start_lr,
      warmupSteps: params.warmup_steps,
      decayRate: params.decay_rate,
    });
    for (const [epoch, step, lr] of table) {
      const difference = Math.abs(schedule.lrAt(epoch, step) - lr);
      assert.ok(difference <= 1e-12 * Math.abs(lr), `epoch ${epoch} step ${step}: off by ${difference}`);
    }
  });
}

test('a schedule refuses a rate that is not a number', () => {
  const Scheduler = registry.getLrSchedulerClass('constant_lr');
  assert.throws(() => new Scheduler({ initLr: Number.NaN, minLr: 0, maxEpoch: 1 }), /initLr/);
});
