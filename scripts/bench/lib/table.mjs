import { duration } from './rounds.mjs';

const HEAD = ['work', 'who', 'time', 'of the first', 'GFLOP/s', 'of products', 'peak memory', ''];

/** Rows of `inTurns` as a Markdown table. */
export function tableLines(rows) {
  const cells = [HEAD, HEAD.map(() => '-'), ...rows.map(cellsOf)];
  const widths = HEAD.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  return cells.map((row) => {
    const padded = row.map((cell, i) => (cell === '-' ? '-'.repeat(widths[i]) : cell.padEnd(widths[i])));
    return `| ${padded.join(' | ')} |`;
  });
}

function cellsOf({ work, who, seconds, ratio, ratioRange, gflops, share, peakGb, note = '' }) {
  const [least, most] = ratioRange;
  const range = most - least >= 0.005 ? ` (${least.toFixed(2)}-${most.toFixed(2)})` : '';
  return [
    work,
    who,
    duration(seconds),
    `${ratio.toFixed(2)}${range}`,
    gflops?.toFixed(0) ?? '',
    share === undefined ? '' : `${(100 * share).toFixed(0)} %`,
    peakGb === undefined ? '' : `${peakGb.toFixed(2)} GB`,
    note,
  ];
}
