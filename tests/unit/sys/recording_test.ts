import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CLONE_NEWNET,
  EFBIG,
  ENOENT,
  ENOSPC,
  Errno,
  ESRCH,
  type Kernel,
  MS_BIND,
  MS_RDONLY,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDWR,
  openProcess,
  processIdentity,
  RecordingKernel,
  RESOLVE_IN_ROOT,
} from "../../../src/sys/mod.ts";

function errnoOf(attempt: () => unknown): number {
  return (assertThrows(attempt, Errno) as unknown as Errno).code;
}

/** A stand-in for what the house does with a kernel. */
function mountLayers(kernel: Kernel, target: string): void {
  const context = kernel.fsopen("overlay");
  try {
    kernel.fsconfigString(context, "lowerdir+", "/layers/a");
    kernel.fsconfigCreate(context);
    const mount = kernel.fsmount(context, 0);
    kernel.moveMount(mount, target);
    kernel.close(mount);
  } finally {
    kernel.close(context);
  }
  kernel.mount(target, target, null, MS_BIND | MS_RDONLY);
}

Deno.test("RecordingKernel tells which mounts were made in which order", () => {
  const kernel = new RecordingKernel({ "/merged/": "" });
  mountLayers(kernel, "/merged");
  assertEquals(kernel.lines("fsopen", "fsconfigString", "fsconfigCreate", "fsmount", "moveMount", "mount"), [
    "fsopen overlay",
    "fsconfigString 100 lowerdir+ /layers/a",
    "fsconfigCreate 100",
    "fsmount 100 0",
    "moveMount 101 /merged",
    "mount /merged /merged null 4097",
  ]);
  assertEquals(kernel.openDescriptors(), []);
});

Deno.test("failOn() fails the calls that match, as often as asked, and records them", () => {
  const kernel = new RecordingKernel({ "/a/": "", "/b/": "" });
  kernel.failOn("mount", ENOSPC, { times: 1, matches: (_source, target) => target === "/b" });
  kernel.mount("tmpfs", "/a", "tmpfs", 0);
  const error = assertThrows(() => kernel.mount("tmpfs", "/b", "tmpfs", 0, "size=1m"), Errno) as unknown as Errno;
  assertEquals([error.code, error.call], [ENOSPC, "mount"]);
  kernel.mount("tmpfs", "/b", "tmpfs", 0);
  assertEquals(kernel.lines(), ["mount tmpfs /a tmpfs 0", "mount tmpfs /b tmpfs 0 size=1m", "mount tmpfs /b tmpfs 0"]);
});

Deno.test("failOn() of an asynchronous call rejects", async () => {
  const kernel = new RecordingKernel();
  kernel.failOn("umount", ENOSPC);
  assertEquals((await assertRejects(() => kernel.umount("/a", 0), Errno) as unknown as Errno).code, ENOSPC);
});

Deno.test("RecordingKernel answers from its files", async () => {
  const kernel = new RecordingKernel({ "/etc/skiff/skiff.yaml": "a: 1", "/run/": "" });
  assertEquals(kernel.readText("/etc/skiff/skiff.yaml"), "a: 1");
  assertEquals(errnoOf(() => kernel.readFile("/etc/skiff/skiff.yaml", 3)), EFBIG);
  assertEquals(errnoOf(() => kernel.readText("/etc/none")), ENOENT);
  assertEquals(errnoOf(() => kernel.mount("x", "/no/such/place", null, 0)), ENOENT);
  kernel.mkdirs("/run/skiff/ns");
  kernel.replaceFile("/run/skiff/state", "one");
  kernel.symlink("../skiff/state", "/run/skiff/link");
  assertEquals(kernel.readText("/run/skiff/link"), "one");
  kernel.rename("/run/skiff/link", "/run/skiff/other");
  assertEquals(kernel.readDirectory("/run/skiff"), [
    { name: "ns", type: "directory" },
    { name: "state", type: "file" },
    { name: "other", type: "symlink" },
  ]);
  const fd = kernel.open("/run/skiff/new", O_RDWR | O_CREAT, 0o644);
  kernel.write(fd, new TextEncoder().encode("01234"));
  kernel.pwrite(fd, new TextEncoder().encode("xx"), 4);
  kernel.close(fd);
  assertEquals(kernel.readText("/run/skiff/new"), "01234x".slice(0, 4) + "xx");
  await kernel.removeTree("/run/skiff");
  assertEquals([kernel.exists("/run/skiff/state"), kernel.exists("/run")], [false, true]);
});

Deno.test("RecordingKernel openat2() stays below its folder", () => {
  const kernel = new RecordingKernel({ "/root/etc/passwd": "inside", "/etc/passwd": "outside" });
  kernel.symlink("/etc/passwd", "/root/link");
  const dirfd = kernel.open("/root", O_PATH | O_DIRECTORY);
  for (const path of ["link", "../../etc/passwd", "/etc/passwd"]) {
    const fd = kernel.openat2(dirfd, path, { flags: 0, resolve: RESOLVE_IN_ROOT });
    const buffer = new Uint8Array(16);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, kernel.read(fd, buffer))), "inside");
  }
});

Deno.test("RecordingKernel shows where a visit of namespaces begins and ends, also when it throws", () => {
  const kernel = new RecordingKernel({ "/run/netns/": "" });
  assertThrows(() =>
    kernel.inNewNamespaces(CLONE_NEWNET, () => kernel.mount("/proc/thread-self/ns/net", "/none", null, 0))
  );
  kernel.inUserNamespace(CLONE_NEWNET, "0 1 1", "0 1 1", (pid) => assertEquals(typeof pid, "number"));
  assertEquals(kernel.lines().map((line) => line.split(" ")[0]), [
    "inNewNamespaces",
    "mount",
    "leave",
    "inUserNamespace",
    "leave",
  ]);
});

Deno.test("RecordingKernel has the processes that its /proc has", () => {
  const stat = `77 (a ) b) S 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0`;
  const kernel = new RecordingKernel({ "/proc/77/stat": stat });
  assertEquals(processIdentity(77, kernel), { pid: 77, startTime: "4711" });
  assertEquals(openProcess({ pid: 77, startTime: "1" }, kernel), undefined);
  assertEquals(typeof openProcess({ pid: 77, startTime: "4711" }, kernel), "number");
  assertEquals(errnoOf(() => kernel.kill(78, 9)), ESRCH);
});
