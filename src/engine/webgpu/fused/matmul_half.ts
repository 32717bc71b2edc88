import type { HalfProduct } from '../../fused/half.js';
import { u32 } from '../backend.js';
import { kernel } from '../kernels.js';
import { sumRows } from '../sum_rows.js';
import { bindings, main } from '../wgsl.js';

type Attrs = Required<HalfProduct>;

/** Rows and columns of the result that a workgroup makes; each of its threads has EACH times EACH of them. */
const TILE = 64;
const EACH = 8;
const SIDE = TILE / EACH;
const THREADS = SIDE * SIDE;
/** How far along the sums the shared tiles reach. */
const DEPTH = 16;
/** Pairs of a shared tile that one thread brings. */
const PAIRS = (TILE * DEPTH) / 2 / THREADS;

/** A small result has its sums cut into parts, so that a card has work for all its cores. */
const ENOUGH_WORKGROUPS = 128;
const SHORTEST_PART = 256;

/**
 * Brings a tile of an operand, `rows` of the result by DEPTH.
 * @param alongDepth whether its pairs lie along the sums or along the result
 */
function bring(name: 'a' | 'b', size: string, start: string, alongDepth: boolean): string {
  const body = alongDepth
    ? `
      let line = at / ${DEPTH / 2}u;
      let k = at % ${DEPTH / 2}u * 2u;
      let inside = ${start} + line < ${size} && first + k < last;
      let values = unpack2x16float(select(0u, ${name}[min(((${start} + line) * p.depth + first + k) / 2u, p.${name}_pairs)], inside));
      tile_${name}[k * ${TILE}u + line] = values.x;
      tile_${name}[(k + 1u) * ${TILE}u + line] = values.y;`
    : `
      let k = at / ${TILE / 2}u;
      let line = at % ${TILE / 2}u * 2u;
      let inside = ${start} + line < ${size} && first + k < last;
      let values = unpack2x16float(select(0u, ${name}[min(((first + k) * ${size} + ${start} + line) / 2u, p.${name}_pairs)], inside));
      tile_${name}[k * ${TILE}u + line] = values.x;
      tile_${name}[k * ${TILE}u + line + 1u] = values.y;`;
  return `
    for (var i = 0u; i < ${PAIRS}u; i++) {
      let at = lane + i * ${THREADS}u;${body}
    }`;
}

const each = (line: (i: number) => string) => Array.from({ length: EACH }, (_, i) => line(i)).join('\n');

const store = (i: number, j: number, withBias: boolean) => `{
      let c = column + x + ${j * SIDE}u;
      if (c < p.columns) { y[at + c] = sum${i}[${j}]${withBias ? ' + select(0.0, bias[c], part == 0u)' : ''}; }
    }`;

/** Tiles of both operands are shared by a workgroup in float32: WGSL has no product of halves with float32 sums. */
const shader = (transposeA: boolean, transposeB: boolean, withBias: boolean) => `
${bindings(
  [
    ['a', 'read', 'u32'],
    ['b', 'read', 'u32'],
    ...(withBias ? [['bias', 'read', 'f32'] as const] : []),
    ['y', 'read_write', 'f32'],
  ],
  {
    rows: 'u32',
    columns: 'u32',
    depth: 'u32',
    part: 'u32',
    parts: 'u32',
    a_pairs: 'u32',
    b_pairs: 'u32',
  },
)}
var<workgroup> tile_a: array<f32, ${TILE * DEPTH}>;
var<workgroup> tile_b: array<f32, ${TILE * DEPTH}>;
${main(
  THREADS,
  `
  let across = (p.columns + ${TILE - 1}u) / ${TILE}u;
  let down = (p.rows + ${TILE - 1}u) / ${TILE}u;
  if (group >= across * down * p.parts) { return; }
  let column = group % across * ${TILE}u;
  let row = group / across % down * ${TILE}u;
  let part = group / across / down;
  let last = min(p.depth, (part + 1u) * p.part);
  let x = lane % ${SIDE}u;
  let z = lane / ${SIDE}u;
  ${each((i) => `var sum${i} = array<f32, ${EACH}>();`)}
  for (var first = part * p.part; first < last; first += ${DEPTH}u) {
    ${bring('a', 'p.rows', 'row', !transposeA)}
    ${bring('b', 'p.columns', 'column', transposeB)}
    workgroupBarrier();
    for (var k = 0u; k < ${DEPTH}u; k++) {
      ${each((j) => `let b${j} = tile_b[k * ${TILE}u + x + ${j * SIDE}u];`)}
      ${each(
        (i) => `{
        let a = tile_a[k * ${TILE}u + z + ${i * SIDE}u];
        ${each((j) => `sum${i}[${j}] += a * b${j};`)}
      }`,
      )}
    }
    workgroupBarrier();
  }
  ${each(
    (i) => `
  if (row + z + ${i * SIDE}u < p.rows) {
    let at = (part * p.rows + row + z + ${i * SIDE}u) * p.columns;
    ${each((j) => store(i, j, withBias))}
  }`,
  )}`,
)}`;

/** Rows of an operand are of even length: a pair never spans two of them. */
export function registerMatMulHalf(): void {
  kernel<Attrs>('LavisMatMulHalf', ({ inputs: { a, b, bias }, attrs, backend }) => {
    const { rows, columns, depth, transposeA, transposeB } = attrs;
    const tiles = Math.ceil(rows / TILE) * Math.ceil(columns / TILE);
    const most = Math.ceil(depth / SHORTEST_PART);
    const wanted = Math.min(most, Math.max(1, Math.ceil(ENOUGH_WORKGROUPS / tiles)));
    const part = Math.ceil(depth / wanted / DEPTH) * DEPTH;
    const parts = Math.ceil(depth / part);
    const y = backend.allocate(parts === 1 ? [rows, columns] : [parts, rows, columns]);
    backend.run({
      key: `float16 product ${transposeA} ${transposeB} ${bias !== undefined}`,
      code: () => shader(transposeA, transposeB, bias !== undefined),
      tensors: [a, b, ...(bias ? [bias] : []), y],
      params: [rows, columns, depth, part, parts, a.shape[0] - 1, b.shape[0] - 1].map(u32),
      workgroups: tiles * parts,
    });
    if (parts === 1) return y;
    const sum = sumRows(backend, y, parts, rows * columns);
    backend.disposeData(y.dataId);
    return { ...sum, shape: [rows, columns] };
  });
}
