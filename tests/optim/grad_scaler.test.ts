import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openCheckpoint, saveTorch } from '#src/checkpoint/index.js';
import { CheckpointError } from '#src/common/errors.js';
import { GradScaler } from '#src/optim/index.js';
import { temporaryFolder } from '../support.js';

describe('GradScaler', () => {
  it('halves its scale after an overflow, and doubles it after growthInterval updates without', () => {
    const scaler = new GradScaler({ initScale: 8, growthInterval: 3 });
    const scales = [false, false, true, false, false, false, false].map((overflow) => {
      scaler.update(overflow);
      return scaler.scale;
    });
    assert.deepEqual(scales, [8, 8, 4, 4, 4, 8, 8]);
  });

  it("begins with PyTorch's defaults", () => {
    const scaler = new GradScaler();
    assert.equal(scaler.scale, 65536);
    for (let i = 0; i < 1999; i++) scaler.update(false);
    assert.equal(scaler.scale, 65536);
    scaler.update(false);
    assert.equal(scaler.scale, 131072);
  });

  it('goes on from its state in a checkpoint, with the keys of PyTorch', async () => {
    const scaler = new GradScaler({ initScale: 1024, growthInterval: 2 });
    scaler.update(false);
    const path = join(temporaryFolder(), 'checkpoint.pth');
    await saveTorch(path, { scaler: scaler.stateDict() });
    const checkpoint = await openCheckpoint(path);
    const { scaler: saved } = checkpoint.root as { scaler: Record<string, number> };
    await checkpoint.close();
    assert.deepEqual(
      { ...saved },
      { scale: 1024, growth_factor: 2, backoff_factor: 0.5, growth_interval: 2, _growth_tracker: 1 },
    );
    const next = new GradScaler();
    next.loadStateDict(saved);
    next.update(false);
    assert.equal(next.scale, 2048);
  });

  it('keeps its own state where a checkpoint has none, and refuses a broken one', () => {
    const scaler = new GradScaler({ initScale: 4 });
    scaler.loadStateDict(null);
    scaler.loadStateDict({});
    assert.equal(scaler.scale, 4);
    assert.throws(() => scaler.loadStateDict({ scale: 'big' }), CheckpointError);
  });

  it('scales nothing where it is disabled, and keeps the state for a machine that has mixed precision', () => {
    const scaler = new GradScaler({ enabled: false });
    const saved = {
      scale: 512,
      growth_factor: 2,
      backoff_factor: 0.5,
      growth_interval: 2000,
      _growth_tracker: 7,
    };
    scaler.loadStateDict(saved);
    scaler.update(true);
    assert.equal(scaler.scale, 1);
    assert.deepEqual(JSON.parse(JSON.stringify(scaler.stateDict(), plainFloats)), saved);
  });
});

/** Floats of Python as numbers. */
const plainFloats = (_key: string, value: unknown) =>
  typeof value === 'object' && value !== null && 'value' in value ? value.value : value;
