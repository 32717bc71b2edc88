/** A rank that compares the images and texts of the retrieval fixture, with others or alone; it prints the scores. */
import { initCommunicator } from '#src/distributed/index.js';
import { setupEngine } from '#src/engine/index.js';
import { BlipRetrieval } from '#src/models/index.js';
import { familyModel, imageOf } from '../../models/family.js';
import { readTensors } from '../../models/tiny.js';
import { fixtureJson } from '../../support.js';

await setupEngine({ device: 'cpu', threads: 1 });
const comm = await initCommunicator();
const model = await familyModel(BlipRetrieval, 'tiny_retrieval');
const { texts, k_test: kTest } = fixtureJson<{ texts: string[]; k_test: number }>(
  'tiny_retrieval',
  'evaluation.json',
);
const images = imageOf(await readTensors('tiny_retrieval', 'evaluation.safetensors'));
const rows: number[] = [];
const onRow = (_done: number, count: number) => void rows.push(count);
const scores = await model.computeSimMatrix({ images, texts }, { kTest, comm, onRow });
const line = `${JSON.stringify({ ...scores, rows: rows.length })}\n`;
await new Promise((done) => process.stdout.write(line, done));
await comm.close();
