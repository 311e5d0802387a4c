import { assertEquals, assertThrows } from "@std/assert";
import {
  asyncFd,
  EACCES,
  ENOENT,
  Errno,
  kernel,
  openPty,
  pipe,
  programs,
  resizePty,
  SIGKILL,
  SIGTERM,
} from "../real_kernel.ts";
import { leaksNoDescriptor } from "./leaks.ts";

const decoder = new TextDecoder();
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

async function readAll(fd: number): Promise<string> {
  const source = asyncFd(fd);
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let count; (count = await source.read(buffer)) !== null;) text += decoder.decode(buffer.subarray(0, count));
  source.close();
  return text;
}

Deno.test("spawn() gives descriptors 3 and 4, a clean environment and nothing else", async () => {
  const [sync, start, out] = [pipe(), pipe(), pipe()];
  const child = programs.spawn("/bin/sh", ["-c", 'read go <&4; echo "got $go" >&3; ls /proc/self/fd; env'], {
    env: { PATH, ONLY: "this" },
    fds: { 1: out.write, 3: sync.write, 4: start.read },
  });
  for (const fd of [sync.write, start.read, out.write]) kernel.close(fd);
  const starter = asyncFd(start.write);
  await starter.write(new TextEncoder().encode("now\n"));
  starter.close();
  assertEquals(await readAll(sync.read), "got now\n");
  const output = (await readAll(out.read)).split("\n");
  // ls has one more: the folder that it reads.
  assertEquals(output.slice(0, 6), ["0", "1", "2", "3", "4", "5"]);
  assertEquals(output.slice(6).filter((line) => line !== "" && !line.startsWith("_=")).sort(), [
    "ONLY=this",
    `PATH=${PATH}`,
    "PWD=/",
  ]);
  assertEquals(await child.status, { code: 0, signal: 0 });
});

Deno.test("spawn() leaks no descriptor", () =>
  leaksNoDescriptor(async () => {
    const out = pipe();
    const child = programs.spawn("/bin/echo", ["x"], { fds: { 1: out.write, 3: out.write } });
    kernel.close(out.write);
    assertEquals(await readAll(out.read), "x\n");
    await child.status;
  }));

Deno.test("spawn() can cross descriptors over", async () => {
  const [a, b] = [pipe(), pipe()];
  // Whatever the numbers are, each goes to where the other is.
  const script = `import os; os.write(${b.write}, b"to-a"); os.write(${a.write}, b"to-b")`;
  const child = programs.spawn("/usr/bin/env", ["python3", "-c", script], {
    fds: { [b.write]: a.write, [a.write]: b.write },
    env: { PATH: Deno.env.get("PATH")! },
  });
  kernel.close(a.write);
  kernel.close(b.write);
  assertEquals([await readAll(a.read), await readAll(b.read)], ["to-a", "to-b"]);
  assertEquals((await child.status).code, 0);
});

Deno.test("spawn() on a tty makes it the controlling terminal, and a resize reaches the program", async () => {
  const { master, tty } = openPty();
  resizePty(master, 33, 111);
  const script = "stty size; trap 'stty size; exit 9' WINCH; echo ready >/dev/tty; while :; do sleep 0.05; done";
  const child = programs.spawn("/bin/sh", ["-c", script], { tty, env: { PATH } });
  const terminal = asyncFd(master);
  const buffer = new Uint8Array(4096);
  let text = "";
  for (let count; (count = await terminal.read(buffer)) !== null;) {
    text += decoder.decode(buffer.subarray(0, count));
    if (text.endsWith("ready\r\n")) resizePty(master, 40, 120);
  }
  assertEquals(text, "33 111\r\nready\r\n40 120\r\n");
  assertEquals(await child.status, { code: 9, signal: 0 });
  terminal.close();
});

Deno.test("spawn() starts in a session of its own with default signals and the given folder", async () => {
  const out = pipe();
  const child = programs.spawn("/bin/sh", ["-c", "pwd; cat /proc/self/status /proc/self/stat"], {
    fds: { 1: out.write },
    cwd: "/usr",
    env: { PATH },
  });
  kernel.close(out.write);
  const text = await readAll(out.read);
  await child.status;
  assertEquals(text.startsWith("/usr\n"), true);
  assertEquals(/SigIgn:\s*(\w+)/.exec(text)![1], "0000000000000000");
  assertEquals(/SigBlk:\s*(\w+)/.exec(text)![1], "0000000000000000");
  const stat = text.slice(text.lastIndexOf(") ") + 2).split(" ");
  assertEquals([stat[2], stat[3]], [String(child.pid), String(child.pid)]);
});

Deno.test("kill() goes through the pidfd and is nothing once the child is reaped", async () => {
  const child = programs.spawn("/bin/sleep", ["100"], {});
  child.kill(SIGTERM);
  assertEquals(await child.status, { code: 143, signal: SIGTERM });
  child.kill(SIGKILL);
  assertEquals(kernel.exists(`/proc/${child.pid}`), false);
});

Deno.test("spawn() of 40 children at once reaps each with its own code", async () => {
  const children = Array.from({ length: 40 }, (_, i) => programs.spawn("/bin/sh", ["-c", `exit ${i}`], {}));
  const codes = (await Promise.all(children.map(({ status }) => status))).map(({ code }) => code);
  assertEquals(codes, Array.from({ length: 40 }, (_, i) => i));
});

Deno.test("spawn() says why a program cannot be started", () => {
  const missing = assertThrows(() => programs.spawn("/no/such/program", [], {}), Errno) as unknown as Errno;
  assertEquals([missing.code, missing.message.includes("/no/such/program")], [ENOENT, true]);
  assertEquals((assertThrows(() => programs.spawn("/etc/passwd", [], {}), Errno) as unknown as Errno).code, EACCES);
  assertThrows(() => programs.spawn("/bin/true", [], { cwd: "/no/such/folder" }), Errno, "/no/such/folder");
  assertThrows(() => programs.spawn("true", [], {}), TypeError, "absolute");
});
