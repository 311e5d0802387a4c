import type { Logger } from "../../../src/observe/types.ts";
import { Store } from "../../../src/pods/store.ts";
import { kernel } from "../../../src/sys/mod.ts";

// libc is loaded at the first call: here, so that no test is blamed for it.
kernel.getpid();

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, with: () => silent };

/** A store in a folder of its own. */
export function storeIn(bootId = "boot-1"): { store: Store; path: string } {
  const path = Deno.makeTempDirSync({ prefix: "skiff-store-" });
  return { store: new Store({ path: `${path}/store.db`, kernel, bootId }), path };
}
