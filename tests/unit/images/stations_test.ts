import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { messageOf } from "../../../src/rpc/status.ts";
import { canRun, processIdentity } from "../../../src/sys/mod.ts";
import { kernel } from "../real_kernel.ts";
import { startTestRegistry, type TestRegistry } from "./registry_support.ts";
import { buildImage, openStore, type TestStore } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };

/** What a file of /proc says; nothing where its thread or process has ended. */
function said(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

const link = (path: string) => {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return "";
  }
};

/** Other files of tests run as threads of the same process, and pull, too: here are the stores of this one… */
const stores = new Set<string>();
/** …and the pipes that their parsers read, which their fetchers write. */
const pipes = new Set<string>();

/** Pids of the children of {@link stores} that fetch and parse. */
function children(): number[] {
  // A thread's file of its children leaves some out while others end.
  const all = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => ({ pid: Number(name), words: said(`/proc/${name}/cmdline`) }));
  const parsers = all.filter(({ words }) =>
    words.includes("__parse") && [...stores].some((store) => words.includes(`${store}/`))
  );
  for (const { pid } of parsers) pipes.add(link(`/proc/${pid}/fd/0`));
  pipes.delete("");
  const fetchers = all.filter(({ pid, words }) => words.includes("__fetch") && pipes.has(link(`/proc/${pid}/fd/1`)));
  return [...parsers, ...fetchers].map(({ pid }) => pid).sort();
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 600; round++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain: ${what}`);
}

const isReady = () => children().length === 2;
const isGone = (pid: number) => processIdentity(pid, kernel) === undefined;
const staged = (store: TestStore) => kernel.readDirectory(`${store.config.root}/staging`).length;

async function pulling(
  keepReadySeconds: number,
  test: (store: TestStore, pull: () => Promise<void>, registry: TestRegistry) => Promise<void>,
): Promise<void> {
  await using registry = startTestRegistry(buildImage([tar([file("a", "content")])]));
  await using store = await openStore({
    registries: { [registry.host]: { mirrors: [], plainHttp: true } },
    keepReadySeconds,
  });
  stores.add(store.config.root);
  await test(store, async () => {
    const { id } = await store.service.pull(`${registry.host}/app:1`, undefined, {});
    await store.service.remove(id, () => []);
  }, registry);
}

/** Pids of [fetcher, parser]. */
function pairOf(pids: number[]): [number, number] {
  const isFetcher = (pid: number) => said(`/proc/${pid}/cmdline`).includes("__fetch");
  return [pids.find(isFetcher)!, pids.find((pid) => !isFetcher(pid))!];
}

/** Begins a pull, and has `meddle` do its worst when its children have asked for what `path` ends in, each time anew. */
async function meddledWith(
  registry: TestRegistry,
  pull: () => Promise<void>,
  path: RegExp,
  meddle: (pair: [number, number], time: number) => Promise<void> | void,
): Promise<void> {
  let times = 0;
  registry.misbehave = async (_, asked) => {
    if (path.test(asked)) await meddle(pairOf(children()), ++times);
    return undefined;
  };
  try {
    await pull();
  } finally {
    registry.misbehave = () => undefined;
  }
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
      await until("it has died", () => isGone(doomed));
      await pull();
    }
    assert(staged(store) <= 1);
  });
  assertEquals(children(), []);
});

const MANIFEST = /\/manifests\/1$/;
const kill = (pid: number) => {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    // The fetcher's end is the parser's, too.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
};

for (
  const [which, end] of [
    ["the fetcher", ([fetcher]) => kill(fetcher)],
    ["the parser", ([, parser]) => kill(parser)],
    ["both", (pair) => pair.forEach(kill)],
    ["both, stopped before,", (pair) => {
      for (const pid of pair) Deno.kill(pid, "SIGSTOP");
      pair.forEach(kill);
    }],
  ] as [string, (pair: [number, number]) => void][]
) {
  Deno.test(
    `Stations: a pull goes on with new children where ${which} died before a word was said, having been ready (root)`,
    root,
    async () => {
      await pulling(3_600, async (store, pull, registry) => {
        await pull();
        await until("two children are ready", isReady);
        const ready = children();
        const seen: number[][] = [];
        await meddledWith(registry, pull, MANIFEST, async (pair, time) => {
          seen.push([...pair].sort());
          if (time > 1) return;
          end(pair);
          // The answer goes out when the daemon has seen it: what is left of the pair must not say the last word.
          await until("the pair is gone", () => pair.every(isGone));
        });
        assertEquals(seen[0], ready);
        assertEquals(seen.length, 2);
        await until("two others are ready", isReady);
        assertEquals(staged(store), 1);
      });
      assertEquals(children(), []);
    },
  );
}

Deno.test(
  "Stations: a pull whose children die fails where they were started for it, or died once more, or had begun to tell (root)",
  root,
  async () => {
    const died = "without saying why";
    await pulling(0, async (_, pull, registry) => {
      const alone = meddledWith(registry, pull, MANIFEST, (pair) => pair.forEach(kill));
      assertStringIncludes(messageOf(await assertRejects(() => alone)), died);
    });
    await pulling(3_600, async (_, pull, registry) => {
      for (const path of [MANIFEST, /\/blobs\//]) {
        await pull();
        await until("two children are ready", isReady);
        let times = 0;
        const killed = meddledWith(registry, pull, path, (pair, time) => {
          times = time;
          pair.forEach(kill);
        });
        assertStringIncludes(messageOf(await assertRejects(() => killed)), died);
        assertEquals(times, path === MANIFEST ? 2 : 1);
      }
    });
    assertEquals(children(), []);
  },
);

Deno.test("Stations: a pull whose ready children are stopped begins with new ones (root)", root, async () => {
  await pulling(3_600, async (store, pull) => {
    for (const which of [0, 1]) {
      await pull();
      await until("two children are ready", isReady);
      const stopped = children();
      Deno.kill(stopped[which], "SIGSTOP");
      await until("it has stopped", () => !canRun(stopped[which], kernel));
      await pull();
      await until("the stopped ones are gone", () => stopped.every(isGone));
    }
    assert(staged(store) <= 1);
  });
  assertEquals(children(), []);
});
