import { assert, assertEquals } from "@std/assert";
import { processIdentity } from "../../../src/sys/mod.ts";
import { kernel } from "../real_kernel.ts";
import { startTestRegistry } from "./registry_support.ts";
import { buildImage, openStore, type TestStore } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };

/** Pids of this process's children that fetch and parse. */
function children(): number[] {
  return [...Deno.readDirSync("/proc/self/task")].flatMap(({ name }) =>
    Deno.readTextFileSync(`/proc/self/task/${name}/children`).split(" ").filter(Boolean).map(Number)
  ).filter((pid) => {
    try {
      return /__fetch|__parse/.test(Deno.readTextFileSync(`/proc/${pid}/cmdline`));
    } catch {
      return false;
    }
  }).sort();
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 600; round++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain: ${what}`);
}

const isReady = () => children().length === 2;
const staged = (store: TestStore) => kernel.readDirectory(`${store.config.root}/staging`).length;

async function pulling(
  keepReadySeconds: number,
  test: (store: TestStore, pull: () => Promise<void>) => Promise<void>,
): Promise<void> {
  await using registry = startTestRegistry(buildImage([tar([file("a", "content")])]));
  await using store = await openStore({
    registries: { [registry.host]: { mirrors: [], plainHttp: true } },
    keepReadySeconds,
  });
  await test(store, async () => {
    const { id } = await store.service.pull(`${registry.host}/app:1`, undefined, {});
    await store.service.remove(id, () => []);
  });
}

Deno.test(
  "Stations: the next pull takes the children that the last one has made ready, and no pull takes used ones (root)",
  root,
  async () => {
    await pulling(3_600, async (store, pull) => {
      assertEquals([children(), staged(store)], [[], 0]);
      await pull();
      await until("two children are ready", isReady);
      const first = children();
      assertEquals(staged(store), 1);
      let most = 0;
      const watch = setInterval(() => most = Math.max(most, children().length), 1);
      await pull();
      clearInterval(watch);
      assertEquals([most, children().filter((pid) => first.includes(pid))], [2, []]);
      await until("two others are ready", isReady);
      assertEquals(children().filter((pid) => first.includes(pid)), []);
    });
    assertEquals(children(), []);
  },
);

Deno.test(
  "Stations: children that are ready go after images.keepReadySeconds, with their folder; 0: there are none (root)",
  root,
  async () => {
    await pulling(1, async (store, pull) => {
      await pull();
      await until("two children are ready", isReady);
      await until("they are gone", () => children().length === 0 && staged(store) === 0);
    });
    await pulling(0, async (store, pull) => {
      await pull();
      await new Promise((resolve) => setTimeout(resolve, 600));
      assertEquals([children(), staged(store)], [[], 0]);
    });
  },
);

Deno.test("Stations: a pull whose ready children have died begins with new ones (root)", root, async () => {
  await pulling(3_600, async (store, pull) => {
    for (const which of [0, 1]) {
      await pull();
      await until("two children are ready", isReady);
      const doomed = children()[which];
      Deno.kill(doomed, "SIGKILL");
      await until("it has died", () => processIdentity(doomed, kernel) === undefined);
      await pull();
    }
    assert(staged(store) <= 1);
  });
  assertEquals(children(), []);
});
