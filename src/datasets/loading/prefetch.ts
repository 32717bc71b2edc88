/**
 * The results of `start(first)` … `start(end - 1)`, in order, with up to `ahead` more already started
 * while the consumer works on one.
 */
export async function* prefetched<T>(
  first: number,
  end: number,
  ahead: number,
  start: (i: number) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const started: Promise<T>[] = [];
  let next = first;
  for (let i = first; i < end; i++) {
    for (; next < end && next <= i + ahead; next++) {
      const result = start(next);
      // Its error is thrown when its turn comes; a consumer that leaves earlier never sees it.
      result.catch(() => {});
      started.push(result);
    }
    yield await started.shift()!;
  }
}
