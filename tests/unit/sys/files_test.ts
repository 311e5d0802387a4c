import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  EEXIST,
  EFBIG,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  Errno,
  isErrno,
  kernel,
  O_NONBLOCK,
  O_WRONLY,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
} from "../real_kernel.ts";

const root = Deno.uid() === 0;

function inFolder(test: (folder: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync();
    try {
      test(folder);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

function errnoOf(attempt: () => unknown): number {
  return (assertThrows(attempt, Errno) as unknown as Errno).code;
}

Deno.test(
  "readFile() reads /proc and files larger than its buffer, and refuses more than the limit",
  inFolder((folder) => {
    assertEquals(kernel.readText("/proc/self/stat").startsWith(`${Deno.pid} (`), true);
    const content = new Uint8Array(300_000).map((_, i) => i * 7);
    Deno.writeFileSync(`${folder}/big`, content);
    assertEquals(kernel.readFile(`${folder}/big`), content);
    assertEquals(kernel.readFile(`${folder}/big`, 300_000).length, 300_000);
    const error = assertThrows(() => kernel.readFile(`${folder}/big`, 299_999), Errno) as unknown as Errno;
    assertEquals(error.code, EFBIG);
    assertEquals(error.message.includes(`${folder}/big`), true);
  }),
);

Deno.test("readFile() names the path when reading fails", () => {
  const error = assertThrows(() => kernel.readFile("/etc"), Errno) as unknown as Errno;
  assertEquals(error.message, "read /etc: is a directory (EISDIR)");
});

Deno.test(
  "readFile() does not wait for a writer of a fifo",
  inFolder((folder) => {
    kernel.mkfifo(`${folder}/fifo`, 0o600);
    assertEquals(kernel.lstat(`${folder}/fifo`).mode, S_IFIFO | 0o600);
    assertEquals(kernel.readFile(`${folder}/fifo`).length, 0);
    assertEquals(errnoOf(() => kernel.open(`${folder}/fifo`, O_WRONLY | O_NONBLOCK)), ENXIO);
  }),
);

Deno.test(
  "replaceFile() leaves readers of the old file alone and no draft behind",
  inFolder((folder) => {
    kernel.writeFile(`${folder}/state`, "old", 0o644);
    const before = kernel.stat(`${folder}/state`).ino;
    const reader = kernel.open(`${folder}/state`, 0);
    kernel.replaceFile(`${folder}/state`, "new", 0o640);
    const buffer = new Uint8Array(3);
    kernel.read(reader, buffer);
    kernel.close(reader);
    assertEquals(new TextDecoder().decode(buffer), "old");
    assertEquals(kernel.readText(`${folder}/state`), "new");
    assertEquals(kernel.stat(`${folder}/state`).ino !== before, true);
    assertEquals(kernel.stat(`${folder}/state`).mode & 0o777, 0o640);
    assertEquals(kernel.readDirectory(folder), [{ name: "state", type: "file" }]);
  }),
);

Deno.test(
  "replaceFile() removes its draft when the rename fails",
  inFolder((folder) => {
    kernel.mkdirs(`${folder}/taken/by/a/folder`);
    assertThrows(() => kernel.replaceFile(`${folder}/taken`, "new"), Errno);
    assertEquals(kernel.readDirectory(folder), [{ name: "taken", type: "directory" }]);
  }),
);

Deno.test(
  "writeControl() makes no file and cuts none",
  inFolder((folder) => {
    assertEquals(errnoOf(() => kernel.writeControl(`${folder}/cgroup.procs`, "1")), ENOENT);
    kernel.writeFile(`${folder}/file`, "0123456789");
    kernel.writeControl(`${folder}/file`, "ab");
    assertEquals(kernel.readText(`${folder}/file`), "ab23456789");
  }),
);

Deno.test(
  "mkdirs() makes parents, accepts what is there and refuses a file in the way",
  inFolder((folder) => {
    kernel.mkdirs(`${folder}/a/b/c/`, 0o750);
    kernel.mkdirs(`${folder}/a/b/c`);
    assertEquals(kernel.stat(`${folder}/a/b`).mode & 0o777, 0o750);
    kernel.writeFile(`${folder}/file`, "");
    assertEquals(errnoOf(() => kernel.mkdirs(`${folder}/file`)), ENOTDIR);
    assertEquals(errnoOf(() => kernel.mkdirs(`${folder}/file/below`)), ENOTDIR);
    kernel.mkdirs("/proc/self");
    kernel.mkdirs("/");
  }),
);

Deno.test(
  "exists() sees a symlink that leads nowhere",
  inFolder((folder) => {
    kernel.symlink("/no/such/file", `${folder}/link`);
    assertEquals(kernel.exists(`${folder}/link`), true);
    assertEquals(kernel.readlink(`${folder}/link`), "/no/such/file");
    assertEquals(errnoOf(() => kernel.stat(`${folder}/link`)), ENOENT);
    assertEquals(kernel.exists(`${folder}/nothing`), false);
    assertEquals(kernel.exists("/etc/passwd/below"), false);
  }),
);

Deno.test(
  "link(), rename() and unlinkIfExists() do what they say",
  inFolder((folder) => {
    kernel.writeFile(`${folder}/one`, "1");
    kernel.link(`${folder}/one`, `${folder}/two`);
    assertEquals(kernel.stat(`${folder}/one`).nlink, 2);
    assertEquals(errnoOf(() => kernel.link(`${folder}/one`, `${folder}/two`)), EEXIST);
    kernel.rename(`${folder}/two`, `${folder}/three`);
    kernel.unlinkIfExists(`${folder}/three`);
    kernel.unlinkIfExists(`${folder}/three`);
    assertEquals(kernel.stat(`${folder}/one`).nlink, 1);
  }),
);

Deno.test(
  "stat() agrees with Deno's, field by field",
  inFolder((folder) => {
    kernel.writeFile(`${folder}/file`, new Uint8Array(10_000), 0o600);
    kernel.chmod(`${folder}/file`, 0o4751);
    for (const path of [`${folder}/file`, "/dev/null", "/dev/tty", "/usr"]) {
      const [ours, theirs] = [kernel.stat(path), Deno.statSync(path)];
      assertEquals(ours.size, theirs.size);
      assertEquals(ours.mode, theirs.mode!);
      assertEquals(ours.uid, theirs.uid!);
      assertEquals(ours.nlink, theirs.nlink!);
      assertEquals(Number(ours.ino), theirs.ino!);
      assertEquals(Number(ours.dev), theirs.dev);
      assertEquals(Number(ours.rdev), theirs.rdev!);
      assertEquals(ours.blocks, theirs.blocks!);
      assertEquals(Number(ours.mtime / 1_000_000n), theirs.mtime!.getTime());
    }
  }),
);

Deno.test("statfs() agrees with node:fs", async () => {
  const { statfsSync } = await import("node:fs");
  const [ours, theirs] = [kernel.statfs("/"), statfsSync("/")];
  assertEquals([ours.type, ours.blockSize, ours.blocks, ours.files], [
    theirs.type,
    theirs.bsize,
    theirs.blocks,
    theirs.files,
  ]);
  assertEquals(kernel.statfs("/proc").type, 0x9fa0);
});

Deno.test(
  "mknod(), chown() and the xattr calls work on real files (root)",
  { ignore: !root },
  inFolder((folder) => {
    kernel.mknod(`${folder}/null`, S_IFCHR | 0o666, 1, 3);
    assertEquals(kernel.stat(`${folder}/null`).rdev, kernel.stat("/dev/null").rdev);
    assertEquals(kernel.stat(`${folder}/null`).mode & S_IFMT, S_IFCHR);
    kernel.writeFile(`${folder}/file`, "");
    kernel.chown(`${folder}/file`, 100_000, 4_000_000_000);
    assertEquals([kernel.stat(`${folder}/file`).uid, kernel.stat(`${folder}/file`).gid], [100_000, 4_000_000_000]);
    assertEquals(kernel.getxattr(`${folder}/file`, "trusted.skiff"), undefined);
    kernel.setxattr(`${folder}/file`, "trusted.skiff", new Uint8Array([1, 0, 2]));
    assertEquals(kernel.getxattr(`${folder}/file`, "trusted.skiff"), new Uint8Array([1, 0, 2]));
    assertEquals(kernel.listxattr(`${folder}/file`), ["trusted.skiff"]);
    assertEquals(kernel.listxattr(folder), []);
  }),
);

Deno.test("isErrno() asks for the code", () => {
  const error = assertThrows(() => kernel.unlink("/no/such/file"));
  assertEquals([isErrno(error, ENOENT), isErrno(error, EPERM, ENOENT), isErrno(error, EPERM)], [true, true, false]);
  assertEquals(isErrno(new Error("x"), ENOENT), false);
});

Deno.test("unlinkOffThread() removes a file off the main thread, and names one that is not there", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-unlink-" });
  kernel.writeFile(`${folder}/x`, "content");
  await kernel.unlinkOffThread(`${folder}/x`);
  assertEquals(kernel.exists(`${folder}/x`), false);
  await assertRejects(() => kernel.unlinkOffThread(`${folder}/x`), Errno, `${folder}/x`);
  kernel.rmdir(folder);
});

Deno.test("writeControlOffThread() writes a kernel file without making it, and names what failed", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "skiff-control-" });
  kernel.writeFile(`${folder}/x`, "....");
  await kernel.writeControlOffThread(`${folder}/x`, "ab");
  assertEquals(kernel.readText(`${folder}/x`), "ab..");
  await assertRejects(() => kernel.writeControlOffThread(`${folder}/none`, "ab"), Errno, `${folder}/none`);
  kernel.unlink(`${folder}/x`);
  kernel.rmdir(folder);
});
