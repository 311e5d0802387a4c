import { assertEquals } from "@std/assert";
import { kernel, poller, watchDirectory } from "../real_kernel.ts";

/** Counts calls and lets a test wait for the next one. */
class Wakes {
  count = 0;
  #resolve = () => {};

  readonly onChange = () => {
    this.count++;
    this.#resolve();
  };

  /** What `change` does must wake within a second. */
  async after(change: () => void): Promise<void> {
    const woken = new Promise<void>((resolve) => this.#resolve = resolve);
    change();
    let timer: number | undefined;
    await Promise.race([
      woken,
      new Promise((_, reject) => timer = setTimeout(() => reject(new Error("not woken within a second")), 1000)),
    ]).finally(() => clearTimeout(timer));
  }
}

Deno.test("watchDirectory() wakes for a file made, written, renamed in and removed", async () => {
  const folder = Deno.makeTempDirSync();
  const wakes = new Wakes();
  {
    await using _ = watchDirectory(kernel, folder, wakes.onChange);
    await wakes.after(() => kernel.writeFile(`${folder}/a`, ""));
    await wakes.after(() => kernel.writeFile(`${folder}/a`, "more"));
    await wakes.after(() => kernel.replaceFile(`${folder}/b`, ""));
    await wakes.after(() => kernel.unlink(`${folder}/b`));
  }
  const count = wakes.count;
  kernel.unlink(`${folder}/a`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(wakes.count, count);
  Deno.removeSync(folder, { recursive: true });
  await poller.idle();
});

Deno.test("watchDirectory() sees a folder come, go and come back", async () => {
  const base = Deno.makeTempDirSync();
  const folder = `${base}/etc/cni/net.d`;
  const wakes = new Wakes();
  {
    await using _ = watchDirectory(kernel, folder + "/", wakes.onChange);
    for (let round = 0; round < 3; round++) {
      await wakes.after(() => {
        kernel.mkdirs(folder);
        kernel.writeFile(`${folder}/10-a.conflist`, "{}");
      });
      // The steps of the way may still be coming in; a change after they have settled must wake, too.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await wakes.after(() => kernel.writeFile(`${folder}/20-b.conflist`, "{}"));
      await wakes.after(() => Deno.removeSync(`${base}/etc`, { recursive: true }));
      await new Promise((resolve) => setTimeout(resolve, 20));
      assertEquals(kernel.exists(folder), false);
    }
    await wakes.after(() => {
      kernel.mkdirs(`${base}/elsewhere`);
      kernel.writeFile(`${base}/elsewhere/30-c.conflist`, "{}");
      kernel.mkdirs(`${base}/etc/cni`);
      kernel.rename(`${base}/elsewhere`, folder);
    });
  }
  Deno.removeSync(base, { recursive: true });
  await poller.idle();
});

Deno.test("watchDirectory() makes one call of what came while the last one ran, and loses none", async () => {
  const folder = Deno.makeTempDirSync();
  let running = 0;
  let calls = 0;
  let seen = 0;
  const watch = watchDirectory(kernel, folder, async () => {
    assertEquals(++running, 1);
    calls++;
    await new Promise((resolve) => setTimeout(resolve, 10));
    seen = kernel.readDirectory(folder).length;
    running--;
  });
  for (let i = 0; i < 2000; i++) kernel.writeFile(`${folder}/${i}`, "");
  for (let i = 0; i < 200 && seen < 2000; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  await watch[Symbol.asyncDispose]();
  assertEquals(seen, 2000);
  assertEquals(calls < 200, true, `${calls} calls`);
  Deno.removeSync(folder, { recursive: true });
  await poller.idle();
});

Deno.test("watchDirectory() goes on after onChange has thrown, and tells", async () => {
  const folder = Deno.makeTempDirSync();
  const told: unknown[] = [];
  const wakes = new Wakes();
  {
    await using _ = watchDirectory(kernel, folder, () => {
      wakes.onChange();
      throw new Error("bad conflist");
    }, (error) => told.push(error));
    await wakes.after(() => kernel.writeFile(`${folder}/a`, ""));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await wakes.after(() => kernel.writeFile(`${folder}/b`, ""));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(told.length >= 2, true);
  Deno.removeSync(folder, { recursive: true });
  await poller.idle();
});
