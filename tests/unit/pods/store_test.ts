import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { PodSandboxConfig } from "../../../proto/gen/runtime/v1/api.ts";
import { Store } from "../../../src/pods/store.ts";
import type { SandboxRecord } from "../../../src/pods/types.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { storeIn } from "./support.ts";

const record = (id: string): SandboxRecord => ({
  schema: 1,
  id,
  key: `key-${id}`,
  hash: "h",
  state: "ready",
  createdAt: "1",
  bootId: "boot-1",
  runtimeHandler: "",
  runtime: {
    name: "runc",
    path: "/usr/sbin/runc",
    root: "/run/skiff/runc",
    conmon: "/usr/bin/conmon",
    cgroupDriver: "cgroupfs",
  },
  hostname: "a",
  folder: "/run/skiff/sandboxes/a",
  cgroupParent: "/skiff",
});

Deno.test("Store keeps pods over a restart, and fields that it does not know", async () => {
  const { store, path } = storeIn();
  const config = PodSandboxConfig.fromPartial({
    metadata: { name: "a", namespace: "n", uid: "u" },
    labels: { x: "y" },
  });
  store.putSandbox({ ...record("a"), fromTheFuture: { deep: [1] } } as SandboxRecord, config);
  await store.durable();
  await store.close();
  const again = new Store({ path: `${path}/store.db`, kernel, bootId: "boot-2" });
  const [stored] = again.sandboxes();
  assertEquals(stored.config.labels, { x: "y" });
  stored.record.state = "notready";
  again.updateSandbox(stored.record);
  assertEquals((again.sandboxes()[0].record as unknown as Record<string, unknown>).fromTheFuture, { deep: [1] });
  await again.close();
  await Deno.remove(path, { recursive: true });
});

Deno.test("Store refuses tables of a newer version and says so", async () => {
  const { store, path } = storeIn();
  await store.close();
  const database = new DatabaseSync(`${path}/store.db`);
  database.exec("UPDATE meta SET value='99' WHERE key='tables'");
  database.close();
  assertThrows(() => new Store({ path: `${path}/store.db`, kernel, bootId: "b" }), Error, "newer skiff");
  await Deno.remove(path, { recursive: true });
});

Deno.test("Store.durable() is shared: many callers, two syncs at most", async () => {
  const path = Deno.makeTempDirSync({ prefix: "skiff-store-" });
  let syncs = 0;
  const counting = Object.create(kernel, {
    fdatasync: {
      value: async (fd: number) => {
        syncs++;
        await kernel.fdatasync(fd);
      },
    },
  });
  const store = new Store({ path: `${path}/store.db`, kernel: counting, bootId: "b" });
  store.setMeta("a", "1");
  await Promise.all(Array.from({ length: 50 }, () => store.durable()));
  assertEquals(syncs, 2);
  await store.close();
  await Deno.remove(path, { recursive: true });
});
