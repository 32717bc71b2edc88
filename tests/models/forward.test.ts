import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { DataError } from '#src/common/errors.js';
import { type HostTensor, toFloat32 } from '#src/common/host_tensor.js';
import { tf, valueAndGrads } from '#src/engine/index.js';
import type { BlipCaption } from '#src/models/index.js';
import { fixtureJson } from '../support.js';
import { onEveryEngine } from './engines.js';
import { images, maxDifference, numberIn, readTensors, tinyModel } from './tiny.js';

interface Forward {
  texts: string[];
  loss: number;
}
interface Truncation extends Forward {
  image_rows: number[];
  tokenizer_input_ids: number[][];
  attention_mask: number[][];
  decoder_targets: number[][];
}
interface StateDict {
  keys: { key: string; shape: number[]; kind: 'parameter' | 'buffer'; tied_to: string | null }[];
}

const { texts, loss: expectedLoss } = fixtureJson<Forward>('tiny_caption', 'forward.json');

/** The largest gradient of the fixture sets the scale that differences are measured in. */
async function gradientsAgree(
  grads: Map<string, tf.Tensor>,
  expected: Map<string, HostTensor>,
): Promise<void> {
  const largest = Math.max(...[...expected.values()].map((g) => Math.max(...toFloat32(g).map(Math.abs))));
  assert.deepEqual([...grads.keys()].sort(), [...expected.keys()].sort());
  for (const [name, grad] of grads) {
    const difference = await maxDifference(grad, expected.get(name)!);
    assert.ok(difference <= 1e-4 * largest && difference <= 1e-5, `${name} is off by ${difference}`);
  }
}

onEveryEngine('the tiny model of the reference', () => {
  let model: BlipCaption;
  let image: HostTensor;

  before(async () => {
    model = await tinyModel();
    image = (await readTensors('tiny_caption', 'inputs.safetensors')).get('image')!;
  });
  after(() => model.dispose());

  it('has the names, shapes and order of the state dict of PyTorch', () => {
    const { keys } = fixtureJson<StateDict>('tiny_caption', 'state_dict.json');
    const state = model.stateDict();
    assert.deepEqual(
      [...state].map(([key, { shape }]) => ({ key, shape })),
      keys.map(({ key, shape }) => ({ key, shape })),
    );
    assert.deepEqual(
      [...model.namedParameters().keys()],
      keys.filter(({ kind, tied_to }) => kind === 'parameter' && !tied_to).map(({ key }) => key),
    );
    assert.deepEqual(
      [...model.namedBuffers().keys()],
      keys.filter(({ kind }) => kind === 'buffer').map(({ key }) => key),
    );
    for (const { key, tied_to } of keys) if (tied_to) assert.equal(state.get(key), state.get(tied_to));
  });

  it('gives the image embeddings, logits, labels and loss of the reference', async () => {
    const expected = await readTensors('tiny_caption', 'forward.safetensors');
    const batch = images(image);
    const out = model.eval().forward({ image: batch, text_input: texts });
    const { imageEmbeds, decoderOutput, decoderLabels } = out.intermediateOutput;
    assert.ok((await maxDifference(imageEmbeds, expected.get('image_embeds')!)) <= 5e-5);
    assert.ok((await maxDifference(decoderOutput.logits, expected.get('logits')!)) <= 1e-4);
    assert.equal(await maxDifference(decoderLabels, expected.get('decoder_targets')!), 0);
    assert.ok(Math.abs((await numberIn(out.loss)) - expectedLoss) <= 1e-5);
    assert.deepEqual(imageEmbeds.shape, [4, 17, 36]);
    tf.dispose([batch, out.loss, imageEmbeds, decoderOutput.logits, decoderLabels]);
  });

  it('gives every gradient of the reference', async () => {
    const expected = await readTensors('tiny_caption', 'gradients.safetensors');
    const batch = images(image);
    model.train();
    const { value, grads } = valueAndGrads(
      () => model.forward({ image: batch, text_input: texts }).loss,
      model.namedParameters(),
    );
    assert.ok(Math.abs((await numberIn(value)) - expectedLoss) <= 1e-5);
    await gradientsAgree(grads, expected);
    tf.dispose([batch, value, ...grads.values()]);
  });

  it('gives them to tf.variableGrads too', async () => {
    const expected = await readTensors('tiny_caption', 'gradients.safetensors');
    const batch = images(image);
    const parameters = model.train().namedParameters();
    const { value, grads } = tf.variableGrads(
      () => model.forward({ image: batch, text_input: texts }).loss,
      [...parameters.values()],
    );
    await gradientsAgree(new Map([...parameters].map(([name, { name: id }]) => [name, grads[id]])), expected);
    tf.dispose([batch, value, grads]);
  });

  it('gives the same gradients when the last blocks are computed again', async () => {
    const expected = await readTensors('tiny_caption', 'gradients.safetensors');
    const recomputing = await tinyModel({ vit_grad_ckpt: true, vit_ckpt_layer: 2 });
    assert.equal(recomputing.visualEncoder.config.recomputedBlocks, 2);
    const batch = images(image);
    const { value, grads } = valueAndGrads(
      () => recomputing.train().forward({ image: batch, text_input: texts }).loss,
      recomputing.namedParameters(),
    );
    await gradientsAgree(grads, expected);
    tf.dispose([batch, value, ...grads.values()]);
    recomputing.dispose();
  });

  it('cuts long texts at max_txt_len as the reference does', async () => {
    const cut = fixtureJson<Truncation>('tiny_caption', 'truncation.json');
    const read = model.readTexts(cut.texts);
    const withBos = cut.tokenizer_input_ids.map((ids) => [model.tokenizer.bosId, ...ids.slice(1)]);
    assert.deepEqual(read.inputIds, withBos);
    assert.deepEqual(read.attentionMask, cut.attention_mask);
    assert.deepEqual(read.targets, cut.decoder_targets);
    const batch = images(image, cut.image_rows);
    const out = model.eval().forward({ image: batch, text_input: cut.texts });
    assert.ok(Math.abs((await numberIn(out.loss)) - cut.loss) <= 1e-5);
    tf.dispose([batch, out.loss, ...tensorsOf(out)]);
  });

  it('leaves no tensor behind, neither in evaluation nor in training', () => {
    const batch = images(image);
    const step = (training: boolean) => {
      if (training) model.train();
      else model.eval();
      if (!training) {
        const out = model.forward({ image: batch, text_input: texts });
        tf.dispose([out.loss, ...tensorsOf(out)]);
        return;
      }
      const { value, grads } = valueAndGrads(
        () => model.forward({ image: batch, text_input: texts }).loss,
        model.namedParameters(),
      );
      tf.dispose([value, ...grads.values()]);
    };
    const counts = [false, true, false, true].map((training) => {
      step(training);
      return tf.memory().numTensors;
    });
    assert.equal(new Set(counts).size, 1, String(counts));
    batch.dispose();
  });

  it('refuses an image of another size, and a batch without its texts', () => {
    const wrong = tf.zeros([1, 32, 64, 3]) as tf.Tensor4D;
    assert.throws(
      () => model.forward({ image: wrong, text_input: ['a cat'] }),
      (error: DataError) => {
        return error instanceof DataError && error.message.includes('[B, 64, 64, 3]');
      },
    );
    assert.throws(() => model.forward({ image: wrong, text_input: [] }), DataError);
    wrong.dispose();
  });
});

const tensorsOf = ({
  intermediateOutput: { imageEmbeds, decoderOutput, decoderLabels },
}: ReturnType<BlipCaption['forward']>) => [imageEmbeds, decoderOutput.logits, decoderLabels];
