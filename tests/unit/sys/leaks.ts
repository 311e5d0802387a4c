import { kernel } from "../real_kernel.ts";

const ROUNDS = 15;

/**
 * Fails when `action` leaves a descriptor open each time. Test files that run in parallel share one process and its
 * descriptors, so one round without growth is the proof: a leak would have to be hidden in all of them.
 */
export async function leaksNoDescriptor(action: () => unknown): Promise<void> {
  const growth: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = kernel.readDirectory("/proc/self/fd").length;
    await action();
    const after = kernel.readDirectory("/proc/self/fd").length;
    if (after <= before) return;
    growth.push(after - before);
  }
  throw new Error(`descriptors were left open: ${growth.join(", ")} more after each round`);
}
