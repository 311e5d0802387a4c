/** Milliseconds of work between two turns of the event loop. */
const SLICE = 5;

/**
 * What `work` makes of each item. Other calls get their turn in between, so an item that comes lazily is looked at when its
 * turn is there.
 */
export async function inSlices<Item, Result>(items: Iterable<Item>, work: (item: Item) => Result): Promise<Result[]> {
  const results: Result[] = [];
  let since = performance.now();
  for (const item of items) {
    results.push(work(item));
    if (performance.now() - since < SLICE) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    since = performance.now();
  }
  return results;
}
