/** Turns callbacks into a stream: what `report` is given comes out in order; `result` ends it. */
export async function* reports<T, R>(
  work: (report: (item: T) => void) => Promise<R>,
  last: (result: R) => T,
): AsyncGenerator<T> {
  const queue: T[] = [];
  let wake = () => {};
  let ended = false;
  const running = work((item) => {
    queue.push(item);
    wake();
  }).finally(() => {
    ended = true;
    wake();
  });
  running.catch(() => {});
  while (!ended || queue.length > 0) {
    if (queue.length > 0) yield queue.shift()!;
    else await new Promise<void>((resolve) => wake = resolve);
  }
  yield last(await running);
}
