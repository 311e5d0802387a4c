import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { isPinned, listPinned, pinNamespaces, pinUserNamespaces, unpin } from "../../../src/network/mod.ts";
import { RpcError } from "../../../src/rpc/status.ts";
import { kernel } from "../../../src/sys/mod.ts";

kernel.getpid();
const ignore = Deno.uid() !== 0;

function withFolder(test: (folder: string) => void) {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-test-ns-" });
  try {
    test(folder);
  } finally {
    for (const { name } of Deno.readDirSync(folder)) unpin(kernel, `${folder}/${name}`);
    Deno.removeSync(folder);
  }
}

function paths(folder: string) {
  return { net: `${folder}/skiff-net`, ipc: `${folder}/skiff-ipc`, uts: `${folder}/skiff-uts` };
}

function inside(folder: string, command: string): string {
  const { net, ipc, uts } = paths(folder);
  const args = [`--net=${net}`, `--ipc=${ipc}`, `--uts=${uts}`, "sh", "-c", command];
  const { stdout, stderr, success } = new Deno.Command("nsenter", { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

Deno.test({
  name: "pinNamespaces() pins new namespaces with lo up, host name and sysctls, and leaves the node's alone (root)",
  ignore,
  fn: () =>
    withFolder((folder) => {
      const shm = Deno.readTextFileSync("/proc/sys/kernel/shm_rmid_forced");
      const ports = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start");
      const sysctls = {
        "net.ipv4.ip_unprivileged_port_start": "77",
        "kernel.shm_rmid_forced": shm.trim() === "1" ? "0" : "1",
        "net/ipv4/ping_group_range": "0 2147483647",
        "fs.mqueue.msg_max": "11",
      };
      pinNamespaces(kernel, paths(folder), { hostname: "web-1", sysctls });
      assertEquals(inside(folder, "hostname"), "web-1");
      assertEquals(inside(folder, "ip -o link show up | cut -d: -f2"), "lo");
      assertEquals(inside(folder, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "77");
      assertEquals(inside(folder, "cat /proc/sys/net/ipv4/ping_group_range"), "0\t2147483647");
      assertEquals(inside(folder, "cat /proc/sys/fs/mqueue/msg_max"), "11");
      assertNotEquals(inside(folder, "cat /proc/sys/kernel/shm_rmid_forced"), shm.trim());
      assertEquals(Deno.readTextFileSync("/proc/sys/kernel/shm_rmid_forced"), shm);
      assertEquals(Deno.readTextFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start"), ports);
      assertNotEquals(Deno.hostname(), "web-1");
      for (const path of Object.values(paths(folder))) assertEquals(isPinned(kernel, path), true);
      assertEquals(listPinned(kernel, folder), ["skiff-ipc", "skiff-net", "skiff-uts"]);
    }),
});

Deno.test({
  name: "pinNamespaces() leaves nothing behind where a sysctl is refused by the kernel (root)",
  ignore,
  fn: () =>
    withFolder((folder) => {
      const own = Deno.readLinkSync("/proc/thread-self/ns/net");
      const sysctls = { "net.ipv4.no_such_thing": "1" };
      assertThrows(() => pinNamespaces(kernel, paths(folder), { sysctls }), RpcError, "net.ipv4.no_such_thing");
      assertEquals([...Deno.readDirSync(folder)], []);
      assertEquals(Deno.readLinkSync("/proc/thread-self/ns/net"), own);
    }),
});

Deno.test({
  name: "pinNamespaces() does not take over a path that is there already (root)",
  ignore,
  fn: () =>
    withFolder((folder) => {
      pinNamespaces(kernel, { net: paths(folder).net });
      assertThrows(() => pinNamespaces(kernel, paths(folder)), Error, "skiff-net");
      assertEquals(isPinned(kernel, paths(folder).net), true);
      assertEquals(listPinned(kernel, folder), ["skiff-net"]);
    }),
});

Deno.test({
  name: "pinUserNamespaces() pins a user namespace that owns the others, set up like any (root)",
  ignore,
  fn: () =>
    withFolder((folder) => {
      const user = `${folder}/skiff-user`;
      const sysctls = { "net.ipv4.ip_unprivileged_port_start": "77" };
      const maps = { uid: "0 100000 65536\n", gid: "0 200000 65536\n" };
      pinUserNamespaces(kernel, { ...paths(folder), user }, maps, { hostname: "mapped", sysctls });
      assertEquals(inside(folder, "hostname; ip -o link show up | cut -d: -f2"), "mapped\n lo");
      assertEquals(inside(folder, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "77");
      // Root of the new user namespace alone may change its network: so it owns it.
      const owner = inside(
        folder,
        `nsenter --user=${user} sh -c "cat /proc/self/uid_map && ip link set lo down && id -u"`,
      );
      assertEquals(owner.replace(/\s+/g, " "), "0 100000 65536 0");
      for (const path of [user, ...Object.values(paths(folder))]) assertEquals(isPinned(kernel, path), true);
    }),
});

Deno.test({
  name: "pinUserNamespaces() leaves nothing behind where the maps are refused (root)",
  ignore,
  fn: () =>
    withFolder((folder) => {
      const maps = { uid: "nonsense", gid: "0 200000 65536\n" };
      assertThrows(() => pinUserNamespaces(kernel, { ...paths(folder), user: `${folder}/skiff-user` }, maps), Error);
      assertEquals([...Deno.readDirSync(folder)], []);
    }),
});

Deno.test("pinNamespaces() refuses a sysctl or host name that would change the node", () => {
  const net = { net: "/run/skiff-test-none/net" };
  const error = assertThrows(
    () => pinNamespaces(kernel, net, { sysctls: { "kernel.sem": "1" } }),
    RpcError,
  );
  assertEquals(error.message.includes("would change the node"), true);
  assertThrows(() => pinNamespaces(kernel, { ipc: "/x" }, { sysctls: { "net.ipv4.ip_forward": "1" } }), RpcError);
  assertThrows(() => pinNamespaces(kernel, net, { sysctls: { "kernel.core_pattern": "|/evil" } }), RpcError);
  assertThrows(() => pinNamespaces(kernel, net, { hostname: "web" }), RpcError, "the node's");
  for (const hostname of ["", "a\nb", "a b", "x".repeat(65)]) {
    assertThrows(() => pinNamespaces(kernel, { uts: "/x" }, { hostname }), RpcError, "host name");
  }
  assertEquals(kernel.exists("/run/skiff-test-none"), false);
});

Deno.test({
  name: "unpin() is repeatable, takes stacked mounts and plain files, and does not follow a link (root)",
  ignore,
  fn: () =>
    withFolder((folder) => {
      const { net } = paths(folder);
      pinNamespaces(kernel, { net });
      kernel.mount("/proc/thread-self/ns/net", net, null, 4096);
      unpin(kernel, net);
      assertEquals(kernel.exists(net), false);
      unpin(kernel, net);
      Deno.writeTextFileSync(net, "");
      assertEquals(isPinned(kernel, net), false);
      unpin(kernel, net);
      assertEquals(kernel.exists(net), false);
      pinNamespaces(kernel, { net });
      Deno.symlinkSync(net, `${folder}/link`);
      unpin(kernel, `${folder}/link`);
      assertEquals(isPinned(kernel, net), true);
    }),
});

Deno.test({
  name: "prepareNetnsFolder() makes a shared mount once, however often it is called (root)",
  ignore,
  async fn() {
    const module = (path: string) => JSON.stringify(new URL(`../../../src/${path}/mod.ts`, import.meta.url).href);
    const folder = Deno.makeTempDirSync({ prefix: "skiff-test-shared-" });
    const code = `import { prepareNetnsFolder } from ${module("network")};
      import { kernel } from ${module("sys")};
      for (let count = 0; count < 3; count++) prepareNetnsFolder(kernel, "${folder}/netns");
      const mounts = Deno.readTextFileSync("/proc/self/mountinfo").split("\\n");
      for (const mount of mounts) if (mount.includes("${folder}/netns")) console.log(/ shared:[0-9]+ /.test(mount));`;
    const { stdout } = await new Deno.Command("unshare", {
      args: ["--mount", "--propagation=private", Deno.execPath(), "eval", "-q", code],
    }).output();
    Deno.removeSync(folder, { recursive: true });
    assertEquals(new TextDecoder().decode(stdout), "true\n");
  },
});

Deno.test({
  name: "listPinned() names only this daemon's, and none where the folder is missing (root)",
  ignore,
  fn: () =>
    withFolder((folder) => {
      Deno.writeTextFileSync(`${folder}/cni-other`, "");
      Deno.writeTextFileSync(`${folder}/skiff-b`, "");
      Deno.writeTextFileSync(`${folder}/skiff-a`, "");
      assertEquals(listPinned(kernel, folder), ["skiff-a", "skiff-b"]);
      assertEquals(listPinned(kernel, `${folder}/none`), []);
    }),
});
