/** Which runtime a suite drives: the compiled binary, or with SKIFF_TEST_PEER=containerd the peer, to try the suite itself. */
import type { Daemon } from "./daemon.ts";
import { Instance, type InstanceOptions } from "./instance.ts";
import type { TestNode } from "./node.ts";
import { Peer } from "./peer.ts";

export const peer = Deno.env.get("SKIFF_TEST_PEER");

/** True where the suite runs against our own binary: expectations that no peer meets ask for it. */
export const onSkiff = peer === undefined || peer === "";

export function makeDaemon(node: TestNode, options: InstanceOptions = {}): Daemon {
  if (onSkiff) return new Instance(node, options);
  if (peer === "containerd") return new Peer(node);
  throw new Error(`SKIFF_TEST_PEER=${peer}: only containerd is known`);
}
