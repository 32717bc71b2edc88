/** Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
      }
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}

/** Up to three of `names` that a reader may have meant by `wrong`, nearest first. */
export function nearest(wrong: string, names: Iterable<string>): string[] {
  const target = wrong.toLowerCase();
  const scored: { name: string; distance: number }[] = [];
  for (const name of names) {
    const candidate = name.toLowerCase();
    const words = candidate.split('_');
    const overlaps =
      words.includes(target) ||
      (target.length >= 3 && (candidate.includes(target) || target.includes(candidate))) ||
      (target.length >= 5 && words.join('').includes(target.replaceAll('_', ''))) ||
      (target.length >= 5 && words.some((word) => word.length >= 4 && editDistance(target, word) === 1));
    const distance = editDistance(target, candidate);
    if (overlaps || distance <= Math.max(2, Math.floor(target.length / 3))) scored.push({ name, distance });
  }
  scored.sort((x, y) => x.distance - y.distance || (x.name < y.name ? -1 : 1));
  return scored.slice(0, 3).map((s) => s.name);
}

/** "did you mean 'a' or 'b'?", or an empty string. */
export function didYouMean(wrong: string, names: Iterable<string>): string {
  const close = nearest(wrong, names).map((name) => `'${name}'`);
  return close.length ? `did you mean ${close.join(' or ')}?` : '';
}
