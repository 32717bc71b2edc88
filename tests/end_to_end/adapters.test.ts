import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { openPeftAdapter, savedState, saveTorch } from '#src/checkpoint/index.js';
import type { HostTensor } from '#src/common/host_tensor.js';
import type { PlainObject } from '#src/config/index.js';
import { setupEngine, tf } from '#src/engine/index.js';
import { BlipCaption, modelSectionOf } from '#src/models/index.js';
import { readAll } from '../checkpoint/support.js';
import { maxDifference } from '../models/tiny.js';
import { contentOf, smallModel, type TinyRun, tinyRun } from '../runners/tiny_run.js';
import { temporaryFolder } from '../support.js';
import { jobFolder, lavis } from './lavis.js';

const folder = temporaryFolder();
const hostOf = async (tensor: tf.Tensor): Promise<HostTensor> => ({
  dtype: 'float32',
  shape: tensor.shape,
  data: (await tensor.data()) as Float32Array,
});

describe('adapters from the command line', () => {
  let tiny: TinyRun;
  const base = join(folder, 'base.pth');
  const job = (name: string) => jobFolder(join(folder, name));
  const named = ['model.load_pretrained=True', `model.pretrained=${base}`];
  const adapted = [...named, 'model.lora.r=2', 'model.lora.dropout=0', 'model.vit_drop_path_rate=0'];

  before(async () => {
    tiny = await tinyRun(folder, { accum_grad_iters: 1, init_lr: 0.1 }, 0);
    const { model } = await tiny.runner('draws');
    await saveTorch(base, { model: savedState(model.stateDict()) });
    model.dispose();
    for (const [workers, batch] of [
      [1, 4],
      [2, 2],
    ]) {
      const options = [...tiny.output(`of_${workers}`), `run.batch_size_train=${batch}`, ...adapted];
      const argv = ['bin/lavis.js', 'train', '--cfg-path', tiny.yaml, '--device', 'cpu', '--nproc-per-node'];
      const { status, stderr } = spawnSync(
        process.execPath,
        [...argv, String(workers), '--options', ...options],
        { encoding: 'utf8' },
      );
      assert.equal(status, 0, stderr);
    }
  });

  it('two workers with half the batch each train what one trains with the whole batch', async () => {
    const [one, two] = await Promise.all(
      ['of_1', 'of_2'].map(async (name) => {
        const content = await contentOf(join(job(name), 'checkpoint_1.pth'));
        return (content as { model: Record<string, Float32Array> }).model;
      }),
    );
    assert.deepEqual(Object.keys(two), Object.keys(one));
    for (const [name, values] of Object.entries(one)) {
      const apart = Math.hypot(...values.map((value, i) => value - two[name][i]));
      // Keys of attention: all scores of a query move alike, so that much of the gradient is rounding.
      if (!name.includes('.key.')) assert.ok(apart < 1e-2 * Math.hypot(...values), `${name}: ${apart}`);
    }
  });

  it('lavis caption says the same with a run, with its adapter over the base, and with both merged', async () => {
    const adapter = join(job('of_1'), 'adapter_best');
    const { pairs, close } = await openPeftAdapter(adapter);
    await close();
    assert.ok(pairs.size > 0);
    const merged = join(folder, 'merged.safetensors');
    assert.equal((await lavis('convert', base, merged, '--adapter', adapter)).code, 0);
    const image = join(folder, 'images', 'tiny_2.png');
    const caption = async (options: string[], ...more: string[]) => {
      const argv = ['caption', image, '--cfg-path', tiny.yaml, '--device', 'cpu', ...more];
      const { code, stdout, stderr } = await lavis(...argv, '--options', ...options);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const ofRun = await caption([...tiny.output('of_1'), ...adapted]);
    assert.equal(await caption([...tiny.output('of_1'), ...adapted], '--adapter', adapter), ofRun);
    assert.equal(await caption([], '--checkpoint', base, '--adapter', adapter), ofRun);
    assert.equal(await caption([], '--checkpoint', merged), ofRun);
    assert.notEqual(await caption([], '--checkpoint', base), ofRun);
  });

  it('lavis convert --to hf writes the merged weights, of a run and of an adapter over the base', async () => {
    await setupEngine({ device: 'cpu' });
    const adapter = join(job('of_1'), 'adapter_best');
    const image = tf.randomNormal<tf.Rank.R4>([2, 32, 32, 3], 0, 1, 'float32', 7);
    const seen = (model: BlipCaption) =>
      tf.tidy(() => {
        const given = { image, text_input: ['a dog', 'two men on a hill'] };
        return model.eval().forward(given).intermediateOutput.decoderOutput.logits;
      });
    const model = await BlipCaption.fromConfig(smallModel(0) as PlainObject);
    await model.loadCheckpoint(base);
    const plain = seen(model);
    await model.loadAdapter(adapter);
    const wanted = seen(model);
    model.dispose();
    assert.ok((await maxDifference(plain, await hostOf(wanted))) > 1e-2, 'the adapter does something');
    const cases = [
      ['run', join(job('of_1'), 'checkpoint_best.pth')],
      ['over', base, '--adapter', adapter, '--cfg-path', tiny.yaml],
    ] as const;
    for (const [name, place, ...more] of cases) {
      const to = join(folder, `hf_${name}`);
      const { code, stderr } = await lavis('convert', place, to, '--to', 'hf', ...more);
      assert.equal(code, 0, stderr);
      const state = await readAll(join(to, 'model.safetensors'));
      assert.ok([...state.keys()].every((key) => !key.includes('lora')));
      const section = (await modelSectionOf(to))!;
      const written = await BlipCaption.fromConfig(section);
      await written.loadCheckpoint(to);
      const logits = seen(written);
      assert.ok((await maxDifference(logits, await hostOf(wanted))) <= 1e-4, name);
      written.dispose();
    }
  });

  it('lavis eval scores a checkpoint of adapters beside the base that its YAML names', async () => {
    const checkpoint = join(job('of_1'), 'checkpoint_best.pth');
    const argv = ['eval', '--cfg-path', tiny.yaml, '--device', 'cpu', '--checkpoint', checkpoint];
    const { code, stderr } = await lavis(...argv, '--options', ...tiny.output('scored'), ...adapted);
    assert.equal(code, 0, stderr);
  });

  it('a checkpoint of adapters is not taken for the weights of a model', async () => {
    const checkpoint = join(job('of_1'), 'checkpoint_best.pth');
    const argv = ['caption', join(folder, 'images'), '--cfg-path', tiny.yaml, '--device', 'cpu'];
    const { code, stderr } = await lavis(...argv, '--checkpoint', checkpoint);
    assert.equal(code, 1);
    assert.match(stderr, /an adapter \(LoRA\), without the model that it adapts/);
    assert.match(stderr, /model\.adapter|--adapter/);
  });
});
