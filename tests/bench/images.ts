/** Pulls of a small and a large image, each time onto nothing. */
import { bulkImage, type BulkName } from "../images/cache.ts";
import type { Daemon } from "../support/daemon.ts";
import type { Figures } from "./figures.ts";

export async function benchPulls(daemons: Daemon[], figures: Figures, rounds: Record<BulkName, number>): Promise<void> {
  for (const [name, count] of Object.entries(rounds) as [BulkName, number][]) {
    const image = await bulkImage(name);
    const packed = image.layers.reduce((sum, one) => sum + one.size, 0) / 1e6;
    const { node } = daemons[0];
    await node.registry.add(name, "1", image);
    const reference = { image: { image: node.image(`${name}:1`) } };
    const row = `PullImage, ${packed.toFixed(0)} MB, ${image.layers.length} layers`;
    // The first pull of each reads the registry's files from the disk.
    for (let round = -1; round < count; round++) {
      for (const { kind, client } of round % 2 ? daemons.toReversed() : daemons) {
        if (round < 0) await client.pullImage(reference, { timeout: 600_000 });
        else await figures.time(row, kind, () => client.pullImage(reference, { timeout: 600_000 }));
        await client.removeImage(reference);
      }
    }
  }
}
