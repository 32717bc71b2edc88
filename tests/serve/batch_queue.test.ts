import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BatchQueue, type Job } from '#src/serve/index.js';

/** A queue whose batches are written down and carried out when told. */
function recorded({ maxBatch = 4, maxWait = 5, workers = 1 } = {}) {
  const batches: string[][] = [];
  const finish: (() => void)[] = [];
  const told: AbortSignal[] = [];
  let busy = 0;
  const queue = new BatchQueue({
    maxBatch,
    maxWait,
    idle: () => workers - busy,
    async run({ items }, { signal }) {
      busy++;
      told.push(signal);
      const texts = items.map((item) => (item as { text: string }).text);
      batches.push(texts);
      await new Promise<void>((done) => finish.push(done));
      busy--;
      return texts.map((text) => ({ value: { text: [text.length] } }));
    },
  });
  return { queue, batches, finish, told };
}

const job = (text: string, more: Partial<Job<'features'>> = {}): Job<'features'> => ({
  use: 'features',
  model: 'm',
  shared: { image: false, text: true },
  item: { text },
  ...more,
});
const turn = (milliseconds = 30) => new Promise((done) => setTimeout(done, milliseconds));

describe('the queue of requests', () => {
  it('puts those that come together into one batch, and gives each its own result', async () => {
    const { queue, batches, finish } = recorded();
    const results = ['a', 'bb', 'ccc'].map((text) =>
      queue.add(job(text), { signal: new AbortController().signal }),
    );
    await turn();
    assert.deepEqual(batches, [['a', 'bb', 'ccc']]);
    assert.deepEqual([queue.waiting, queue.running], [0, 3]);
    finish[0]();
    assert.deepEqual(await Promise.all(results), [{ text: [1] }, { text: [2] }, { text: [3] }]);
    assert.equal(queue.running, 0);
  });

  it('fills a batch no further than its size, and sends full ones at once', async () => {
    const { queue, batches, finish } = recorded({ maxBatch: 2, maxWait: 1000, workers: 2 });
    for (const text of ['a', 'b', 'c', 'd'])
      void queue.add(job(text), { signal: new AbortController().signal });
    assert.deepEqual(batches, [
      ['a', 'b'],
      ['c', 'd'],
    ]);
    for (const done of finish) done();
  });

  it('lets batches grow while all workers are at work; the oldest goes first', async () => {
    const { queue, batches, finish } = recorded({ maxWait: 0 });
    const { signal } = new AbortController();
    void queue.add(job('first'), { signal });
    await turn();
    void queue.add(job('other', { model: 'n' }), { signal });
    for (const text of ['a', 'b', 'c']) void queue.add(job(text), { signal });
    await turn();
    assert.equal(batches.length, 1);
    finish[0]();
    await turn();
    finish[1]();
    await turn();
    assert.deepEqual(batches, [['first'], ['other'], ['a', 'b', 'c']]);
    finish[2]();
  });

  it('keeps apart what has other settings or is to be alone', async () => {
    const { queue, batches } = recorded({ workers: 9 });
    const { signal } = new AbortController();
    void queue.add(job('a'), { signal });
    void queue.add(job('b', { shared: { image: true, text: true } }), { signal });
    void queue.add(job('c', { alone: true }), { signal });
    void queue.add(job('d', { alone: true }), { signal });
    await turn();
    assert.deepEqual(batches.toSorted(), [['a'], ['b'], ['c'], ['d']]);
  });

  it('drops a request whose client has gone; a batch that nobody waits for is told so', async () => {
    const { queue, batches, finish, told } = recorded({ maxWait: 0 });
    const [stays, goes, both] = [new AbortController(), new AbortController(), new AbortController()];
    const first = queue.add(job('first'), { signal: both.signal });
    await turn();
    const second = queue.add(job('second'), { signal: goes.signal });
    const third = queue.add(job('third'), { signal: stays.signal });
    goes.abort(new Error('gone'));
    await assert.rejects(second, /gone/);
    assert.equal(queue.waiting, 1);
    assert.equal(told[0].aborted, false);
    both.abort(new Error('gone too'));
    await assert.rejects(first, /gone too/);
    assert.equal(told[0].aborted, true);
    finish[0]();
    await turn();
    assert.deepEqual(batches, [['first'], ['third']]);
    finish[1]();
    assert.deepEqual(await third, { text: [5] });
  });
});
