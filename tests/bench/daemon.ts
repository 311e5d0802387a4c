/** The daemon itself: its size on disk, how soon it answers, what it holds when idle. */
import { sleep } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import type { TestNode } from "../support/node.ts";
import { Peer } from "../support/peer.ts";
import { tools } from "../support/tools.ts";
import type { Figures, Side } from "./figures.ts";

export async function benchDaemons(node: TestNode, figures: Figures, rounds: number): Promise<void> {
  const size = (path: string) => Deno.statSync(path).size / 1e6;
  figures.add("size of the binaries", "skiff", size(tools.skiff), "MB");
  figures.add(
    "size of the binaries",
    "containerd",
    size(tools.containerd) + size(`${tools.containerdBin}/containerd-shim-runc-v2`),
    "MB",
  );
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 ? ["containerd", "skiff"] as Side[] : ["skiff", "containerd"] as Side[]) {
      const daemon = side === "skiff" ? new Instance(node) : new Peer(node);
      figures.add("start to first answer", side, await daemon.start());
      if (round === 0 || round === rounds - 1) {
        await sleep(3_000);
        figures.add("RSS when idle", side, daemon.rss(), "MB");
      }
      await daemon.stop();
    }
  }
}
