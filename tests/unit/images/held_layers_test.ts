import { assert, assertEquals } from "@std/assert";
import { kernel } from "../real_kernel.ts";
import { O_RDONLY } from "../../../src/sys/mod.ts";
import { buildImage, openStore, type TestStore, writeLayout } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";

const root = { ignore: Deno.uid() !== 0 };
const image = buildImage([tar([directory("./"), directory("d"), file("d/x", new Uint8Array(50_000).fill(3))])]);
const layer = image.diffIds[0];

async function withContainer(test: (store: TestStore, path: string) => Promise<void>): Promise<void> {
  await using store = await openStore();
  await writeLayout(`${store.folder}/layout`, [{ image, name: "h.io/held:1" }]);
  const [record] = await store.service.importLayout(`${store.folder}/layout`, undefined, {});
  const { root: path } = await store.service.mountRootfs({ id: "c", image: record, readonly: false });
  await test(store, path);
}

const warnings = (store: TestStore) =>
  store.logger.lines.filter(({ message }) => message.startsWith("the space of removed layers")).map(({ fields }) =>
    fields!
  );

/** Removes the image, and waits for what the log says. */
async function remove(store: TestStore): Promise<Record<string, unknown>> {
  await store.service.unmountRootfs("c");
  await store.service.remove("h.io/held:1", () => []);
  for (const until = Date.now() + 20_000; warnings(store).length === 0 && Date.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return warnings(store)[0];
}

const HOLDERS: [string, (path: string, file: string) => { command: string[]; cwd?: string }, string][] = [
  [
    "a shell in a folder of the root",
    (path) => ({ command: ["sleep", "300"], cwd: `${path}/d` }),
    "its working directory",
  ],
  ["a file of the root", (path) => ({ command: ["sh", "-c", `exec sleep 300 <${path}/d/x`] }), "an open file"],
  ["the layer's own file", (_, file) => ({ command: ["sh", "-c", `exec sleep 300 <${file}`] }), "an open file"],
  [
    "a mount elsewhere in another mount namespace",
    (path) => ({
      command: [
        "unshare",
        "-m",
        "--propagation",
        "private",
        "sh",
        "-c",
        `mount --bind ${path}/d /mnt && exec sleep 300`,
      ],
    }),
    "its mount namespace",
  ],
];

for (const [what, hold, how] of HOLDERS) {
  Deno.test(
    `ImageService.remove() names who holds a removed layer: ${what} (root)`,
    root,
    () =>
      withContainer(async (store, path) => {
        const { command: [program, ...args], cwd } = hold(path, `${store.config.root}/layers/${layer.slice(7)}.erofs`);
        const holder = new Deno.Command(program, { args, cwd }).spawn();
        try {
          const comm = () => Deno.readTextFileSync(`/proc/${holder.pid}/comm`).trim();
          while (comm() !== "sleep") await new Promise((resolve) => setTimeout(resolve, 10));
          const { layers, holders } = await remove(store);
          assertEquals([layers, holders], [[layer], [`${holder.pid} (sleep), by ${how}`]]);
        } finally {
          holder.kill("SIGKILL");
          await holder.status;
        }
      }),
  );
}

Deno.test(
  "ImageService.remove() of a layer that nobody holds says nothing (root)",
  root,
  () =>
    withContainer(async (store) => {
      const fd = kernel.open("/proc/self/exe", O_RDONLY);
      await store.service.unmountRootfs("c");
      await store.service.remove("h.io/held:1", () => []);
      await new Promise((resolve) => setTimeout(resolve, 800));
      assertEquals(warnings(store), []);
      kernel.close(fd);
      assert(store.logger.lines.every(({ level }) => level !== "warn"), JSON.stringify(store.logger.lines));
    }),
);
