import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  Errno,
  kernel,
  MNT_DETACH,
  MS_BIND,
  programs,
} from "../real_kernel.ts";
import { leaksNoDescriptor } from "./leaks.ts";

const ignore = Deno.uid() !== 0;
const own = (kind: string) => kernel.readlink(`/proc/thread-self/ns/${kind}`);
const decoder = new TextDecoder();

/** Pins the namespaces that `pin` makes, below a folder of its own, and takes everything down afterwards. */
async function withPins(
  kinds: string[],
  pin: (paths: Record<string, string>) => void,
  use: (paths: Record<string, string>) => unknown,
) {
  const folder = Deno.makeTempDirSync();
  const paths = Object.fromEntries(kinds.map((kind) => [kind, `${folder}/${kind}`]));
  for (const path of Object.values(paths)) kernel.writeFile(path, "");
  try {
    pin(paths);
    await use(paths);
  } finally {
    for (const path of Object.values(paths)) {
      try {
        kernel.umountNow(path, MNT_DETACH);
      } catch {
        // It was not pinned: the assertion that failed says why.
      }
    }
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("inNewNamespaces() pins net, ipc and uts with lo up, and comes back (root)", { ignore }, async () => {
  const before = ["net", "ipc", "uts"].map(own);
  await withPins(["net", "ipc", "uts"], (paths) => {
    kernel.inNewNamespaces(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, () => {
      kernel.setLoopbackUp();
      kernel.writeControl("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
      kernel.writeControl("/proc/sys/kernel/shm_rmid_forced", "1");
      for (const [kind, path] of Object.entries(paths)) {
        assertNotEquals(own(kind), before[["net", "ipc", "uts"].indexOf(kind)]);
        kernel.mount(`/proc/thread-self/ns/${kind}`, path, null, MS_BIND);
      }
    });
  }, async (paths) => {
    assertEquals(["net", "ipc", "uts"].map(own), before);
    assertEquals(kernel.readText("/proc/sys/kernel/shm_rmid_forced").trim(), "0");
    const sysctl = kernel.inNamespaces(
      [{ path: paths.net, flag: CLONE_NEWNET }],
      () => kernel.readText("/proc/sys/net/ipv4/ip_unprivileged_port_start"),
    );
    assertEquals(sysctl.trim(), "0");
    const { stdout } = await programs.run("/sbin/ip", ["-br", "link"], { netns: paths.net });
    assertEquals(/^lo\s+(UNKNOWN|UP)\s/.test(decoder.decode(stdout)), true, decoder.decode(stdout));
    assertEquals(["net", "ipc", "uts"].map(own), before);
  });
});

Deno.test("inNewNamespaces() and inNamespaces() come back when the inside throws (root)", { ignore }, () => {
  const before = own("net");
  assertThrows(
    () =>
      kernel.inNewNamespaces(CLONE_NEWNET, () => {
        throw new Error("inside");
      }),
    Error,
    "inside",
  );
  assertThrows(
    () =>
      kernel.inNamespaces([{ path: "/proc/self/ns/net", flag: CLONE_NEWNET }], () => {
        throw new Error("inside");
      }),
    Error,
    "inside",
  );
  assertEquals(own("net"), before);
});

Deno.test("inNamespaces() of a file that is no namespace fails and stays where it is (root)", { ignore }, () => {
  const before = own("net");
  assertThrows(() => kernel.inNamespaces([{ path: "/etc/passwd", flag: CLONE_NEWNET }], () => 1), Errno, "setns");
  assertThrows(() => kernel.inNamespaces([{ path: "/no/such/netns", flag: CLONE_NEWNET }], () => 1), Errno, "ENOENT");
  assertEquals(own("net"), before);
});

Deno.test("namespaces that one thread cannot leave again are refused", () => {
  for (const flag of [CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNS | CLONE_NEWNET]) {
    assertThrows(() => kernel.inNewNamespaces(flag, () => 1), RangeError);
    assertThrows(() => kernel.inNamespaces([{ path: "/proc/1/ns/mnt", flag }], () => 1), RangeError);
  }
});

Deno.test("visits of namespaces leak no descriptor (root)", { ignore }, () =>
  leaksNoDescriptor(() => {
    kernel.inNewNamespaces(CLONE_NEWNET, () => 1);
    assertThrows(() => kernel.inNamespaces([{ path: "/etc/passwd", flag: CLONE_NEWNET }], () => 1), Errno);
    assertThrows(() => kernel.inNewNamespaces(CLONE_NEWNET | CLONE_NEWNS, () => 1), RangeError);
  }));

Deno.test(
  "run() in a network namespace that is not there fails without leaking pipes (root)",
  { ignore },
  () =>
    leaksNoDescriptor(() =>
      assertRejects(() => programs.run("/bin/true", [], { netns: "/no/such/netns" }), Errno, "/no/such/netns")
    ),
);

Deno.test(
  "inUserNamespace() gives a child with these maps that owns its other namespaces (root)",
  { ignore },
  async () => {
    const kinds = ["user", "net", "uts"];
    let child = 0;
    await withPins(kinds, (paths) => {
      kernel.inUserNamespace(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWUTS, "0 100000 65536", "0 200000 65536", (pid) => {
        child = pid;
        assertEquals(kernel.readText(`/proc/${pid}/uid_map`).trim().split(/\s+/), ["0", "100000", "65536"]);
        assertEquals(kernel.readText(`/proc/${pid}/gid_map`).trim().split(/\s+/), ["0", "200000", "65536"]);
        for (const kind of kinds) kernel.mount(`/proc/${pid}/ns/${kind}`, paths[kind], null, MS_BIND);
      });
    }, async (paths) => {
      assertEquals(kernel.exists(`/proc/${child}`), false);
      kernel.inNamespaces([{ path: paths.net, flag: CLONE_NEWNET }], () => kernel.setLoopbackUp());
      const script = "id -u; id -g; hostname inside && hostname; ip link set lo mtu 1400 && ip -br link show lo";
      const { code, stdout, stderr } = await programs.run("/usr/bin/nsenter", [
        `--user=${paths.user}`,
        `--net=${paths.net}`,
        `--uts=${paths.uts}`,
        "-S",
        "0",
        "-G",
        "0",
        "/bin/sh",
        "-c",
        script,
      ], { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
      assertEquals(code, 0, decoder.decode(stderr));
      const lines = decoder.decode(stdout).split("\n");
      assertEquals(lines.slice(0, 3), ["0", "0", "inside"]);
      assertEquals(lines[3].startsWith("lo") && lines[3].includes("LOOPBACK,UP"), true, lines[3]);
    });
  },
);

Deno.test("inUserNamespace() ends its child when a map is refused or the inside throws (root)", { ignore }, () => {
  let child = 0;
  const flags = CLONE_NEWUSER | CLONE_NEWNET;
  assertThrows(() => kernel.inUserNamespace(flags, "0 100000", "0 100000 10", () => 1), Errno, "uid_map");
  assertThrows(
    () =>
      kernel.inUserNamespace(flags, "0 100000 10", "0 100000 10", (pid) => {
        child = pid;
        throw new Error("inside");
      }),
    Error,
    "inside",
  );
  assertEquals(kernel.exists(`/proc/${child}`), false);
});

Deno.test("inUserNamespace() child has signals blocked, sleeps and would die with us (root)", { ignore }, () => {
  kernel.inUserNamespace(CLONE_NEWUSER, "0 100000 10", "0 100000 10", (pid) => {
    let state = "";
    for (let i = 0; i < 1000 && state !== "S"; i++) state = kernel.readText(`/proc/${pid}/stat`).split(") ")[1][0];
    assertEquals(state, "S");
    const status = kernel.readText(`/proc/${pid}/status`);
    assertEquals(BigInt("0x" + /SigBlk:\s*([0-9a-f]+)/.exec(status)![1]) & 0x4002n, 0x4002n);
  });
  const ours = kernel.readText("/proc/self/status");
  assertEquals(BigInt("0x" + /SigBlk:\s*([0-9a-f]+)/.exec(ours)![1]) & 0x4002n, 0n);
});
