import { test } from 'node:test';
import { type Case, conform } from './conformance.js';
import { fusedCases } from './fused_cases.js';
import { kernelCases } from './kernel_cases.js';
import { noWebGpu } from './webgpu_here.js';

/** The operations of the models, in sizes that a software adapter gets done. LAVIS_TEST_DEVICES=webgpu runs all. */
const USED =
  /^(add|sub|mul|div|matMul|sum|mean|max|sqrt|square|exp|log|erf|tanh|notEqual|logSoftmax|softmax|transpose|slice|concat|stack|split|gather|unsortedSegmentSum|tile|where|cast|oneHot|expandDims|addN|zerosLike)\b/;

const small = ({ inputs }: Case) => inputs.every(({ values }) => values.length <= 10_000);

if (noWebGpu) {
  test('the conformance of WebGPU', { skip: noWebGpu }, () => {});
} else {
  const plain = kernelCases.filter(({ name }) => USED.test(name));
  await conform([...fusedCases, ...plain].filter(small), ['webgpu']);
}
