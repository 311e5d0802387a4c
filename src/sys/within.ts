/** Settles with `event`, or after so many milliseconds. */
export async function within(milliseconds: number, event: Promise<unknown>): Promise<void> {
  let timer: number | undefined;
  const over = new Promise<void>((resolve) => timer = setTimeout(resolve, milliseconds));
  try {
    await Promise.race([event, over]);
  } finally {
    clearTimeout(timer);
  }
}
