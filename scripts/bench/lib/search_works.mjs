/** What `lavis search` takes: an image's share of indexing a folder, and a query. */
import { duration, rowsOf } from './rounds.mjs';
import { median, spread } from './statistics.mjs';

export async function search(context) {
  const counts = context.args.pictures.split(',').map(Number);
  const indexing = await context.takeTurns(
    'indexing a picture, tiny model, 32 px',
    Object.fromEntries(
      counts.map((count) => [`of ${count}`, () => withNote(context.ours('search', '--pictures', count))]),
    ),
  );
  const kept = Number(context.args.kept);
  const runs = Array.from({ length: context.rounds }, () => context.ours('search', '--kept', kept));
  const part = (name, what) => [
    name,
    runs.map(({ parts, peakGb }) => ({ ...withNote(parts[name], what), peakGb })),
  ];
  const asking = rowsOf(
    `${kept} pictures are kept`,
    new Map([
      part('a query', 'the text encoded, all compared, the best 12'),
      part('opening', 'files kept in the cache read, --update=false'),
      part('opening, with a look at every file', 'the folder listed, sizes and times compared'),
    ]),
  );
  const each = indexing.map(({ runs: list }) => median(list.map(({ processor }) => processor)));
  const lines = [
    `indexing, ms of processor time a picture over ${counts.join(', ')}: ${each.map((seconds) => (1000 * seconds).toFixed(2)).join(', ')}; spread ${spread(each).toFixed(1)} %`,
    `peak memory over ${counts.join(', ')}: ${indexing.map(({ peakGb }) => `${(1000 * peakGb).toFixed(0)} MB`).join(', ')}`,
  ];
  return { rows: [...indexing, ...asking], lines };
}

const withNote = (times, what) => ({
  ...times,
  note: [`${duration(times.processor)} of processor time`, what].filter(Boolean).join(': '),
});
