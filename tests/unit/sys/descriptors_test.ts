import { assertEquals, assertThrows } from "@std/assert";
import {
  EBADF,
  ELOOP,
  ENOENT,
  ENOTDIR,
  Errno,
  EXDEV,
  kernel,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_SYMLINKS,
} from "../real_kernel.ts";

function errnoOf(attempt: () => unknown): number {
  return (assertThrows(attempt, Errno) as unknown as Errno).code;
}

Deno.test("open() reports the right errno each time, also between successes and garbage", () => {
  for (let i = 0; i < 2000; i++) {
    const garbage = new Array(50).fill({ i });
    assertEquals(errnoOf(() => kernel.open("/no/such/file", O_RDONLY)), ENOENT);
    assertEquals(errnoOf(() => kernel.open("/etc/passwd/x", O_RDONLY)), ENOTDIR);
    assertEquals(errnoOf(() => kernel.close(100_000 + garbage.length)), EBADF);
    kernel.close(kernel.open("/etc/passwd", O_RDONLY));
  }
});

Deno.test("Errno says the call, what it was about and why it failed", () => {
  const error = assertThrows(() => kernel.open("/no/such/file", O_RDONLY), Errno) as unknown as Errno;
  assertEquals(error.call, "open");
  assertEquals(error.message, "open /no/such/file (flags 0o0): no such file or directory (ENOENT)");
});

Deno.test("open() refuses a path with a NUL byte instead of cutting it", () => {
  assertThrows(() => kernel.open("/etc/passwd\0.json", O_RDONLY), TypeError, "NUL");
});

Deno.test("open() makes descriptors that a program does not inherit", () => {
  const fd = kernel.open("/etc/passwd", O_RDONLY);
  const flags = /flags:\s*0?(\d+)/.exec(kernel.readText(`/proc/self/fdinfo/${fd}`))![1];
  assertEquals(parseInt(flags, 8) & 0o2000000, 0o2000000);
  kernel.close(fd);
});

Deno.test("openat2() refuses to leave the folder", () => {
  const root = Deno.makeTempDirSync();
  Deno.mkdirSync(`${root}/inside`);
  Deno.writeTextFileSync(`${root}/inside/file`, "inside");
  Deno.writeTextFileSync(`${root}/passwd`, "not the host's");
  Deno.symlinkSync("/passwd", `${root}/inside/absolute`);
  Deno.symlinkSync("../../../../passwd", `${root}/inside/relative`);
  const dirfd = kernel.open(`${root}/inside`, O_PATH | O_DIRECTORY);
  const rootfd = kernel.open(root, O_PATH | O_DIRECTORY);
  const beneath = (path: string, resolve = RESOLVE_BENEATH) =>
    kernel.openat2(dirfd, path, { flags: O_RDONLY, resolve });

  kernel.close(beneath("file"));
  assertEquals(errnoOf(() => beneath("../passwd")), EXDEV);
  assertEquals(errnoOf(() => beneath("absolute")), EXDEV);
  assertEquals(errnoOf(() => beneath("relative")), EXDEV);
  assertEquals(errnoOf(() => beneath("/etc/passwd")), EXDEV);
  assertEquals(errnoOf(() => beneath("absolute", RESOLVE_NO_SYMLINKS)), ELOOP);

  for (const path of ["inside/absolute", "inside/relative", "../../passwd"]) {
    const fd = kernel.openat2(rootfd, path, { flags: O_RDONLY, resolve: RESOLVE_IN_ROOT });
    const buffer = new Uint8Array(64);
    assertEquals(new TextDecoder().decode(buffer.subarray(0, kernel.read(fd, buffer))), "not the host's", path);
    kernel.close(fd);
  }
  kernel.close(dirfd);
  kernel.close(rootfd);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("openat2() makes a file with its mode and O_NOFOLLOW refuses a link", () => {
  const root = Deno.makeTempDirSync();
  const rootfd = kernel.open(root, O_PATH | O_DIRECTORY);
  kernel.close(kernel.openat2(rootfd, "new", { flags: O_RDWR | O_CREAT, mode: 0o640, resolve: RESOLVE_IN_ROOT }));
  assertEquals(kernel.stat(`${root}/new`).mode & 0o777, 0o640);
  Deno.symlinkSync("new", `${root}/link`);
  assertEquals(errnoOf(() => kernel.open(`${root}/link`, O_RDONLY | O_NOFOLLOW)), ELOOP);
  kernel.close(rootfd);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("pwrite(), pread() and ftruncate() work at offsets beyond 4 GiB", () => {
  const path = Deno.makeTempFileSync();
  const fd = kernel.open(path, O_RDWR);
  const offset = 5 * 2 ** 30;
  kernel.pwrite(fd, new TextEncoder().encode("far"), offset);
  const buffer = new Uint8Array(3);
  assertEquals(kernel.pread(fd, buffer, offset), 3);
  assertEquals(new TextDecoder().decode(buffer), "far");
  assertEquals(kernel.fstat(fd).size, offset + 3);
  kernel.ftruncate(fd, 1);
  assertEquals(kernel.fstat(fd).size, 1);
  kernel.close(fd);
  Deno.removeSync(path);
});
