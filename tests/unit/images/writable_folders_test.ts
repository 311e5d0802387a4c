import { assert, assertEquals } from "@std/assert";
import { WritableFolders } from "../../../src/images/mount/writable_folders.ts";
import { createLogger } from "../../../src/observe/mod.ts";
import { LibcKernel } from "../../../src/sys/mod.ts";

// Loads libc, which stays loaded.
new LibcKernel().exists("/");

/** On a disk where nothing comes to an end. */
class Stuck extends LibcKernel {
  override removeTree = () => new Promise<void>(() => {});
}

Deno.test("WritableFolders: a stop waits for removals, but not for long; the next start goes on with them", async () => {
  const root = await Deno.makeTempDir();
  try {
    const options = {
      folder: `${root}/containers`,
      trash: `${root}/trash`,
      logger: createLogger({ level: "error", format: "text" }),
    };
    const stuck = new WritableFolders({ ...options, kernel: new Stuck() });
    await stuck.start();
    stuck.create("one");
    stuck.discard("one");
    const began = performance.now();
    await stuck[Symbol.asyncDispose]();
    assert(performance.now() - began < 4_000);
    assertEquals([...Deno.readDirSync(options.trash)].length, 1);

    const next = new WritableFolders({ ...options, kernel: new LibcKernel() });
    await next.start();
    await next[Symbol.asyncDispose]();
    assertEquals([...Deno.readDirSync(options.trash)].length, 0);
    assert(!next.ids().includes("one"));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
