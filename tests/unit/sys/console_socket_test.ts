import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { asyncFd, ConsoleSocket, Errno, kernel } from "../real_kernel.ts";
import { leaksNoDescriptor } from "./leaks.ts";

const FOREVER = 60_000;

/** Connects, does as its second argument says, and ends. */
const RUNTIME = `
import array, os, pty, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
s.connect(sys.argv[1])
what = sys.argv[2]
master, slave = pty.openpty()
null = os.open("/dev/null", os.O_RDWR)
def send(*fds): s.sendmsg([b"/dev/ptmx"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
if what == "terminal": os.write(slave, b"last words"); send(master)
if what == "two": send(master, null)
if what == "file": send(null)
if what == "bytes": s.send(b"hello")
if what == "wait": time.sleep(60)
`;

const runtime = (path: string, what: string) =>
  new Deno.Command("python3", { args: ["-c", RUNTIME, path, what], stdin: "null" }).spawn();

const newPath = () => `/run/skiff-console-${crypto.randomUUID().slice(0, 8)}`;

/** What came of a runtime that does `what`, after it has ended. */
async function received(what: string): Promise<number | undefined> {
  const path = newPath();
  try {
    const socket = new ConsoleSocket(path);
    const result = socket.receive(FOREVER);
    result.catch(() => {});
    assert((await runtime(path, what).status).success);
    socket.stop();
    return await result;
  } finally {
    kernel.unlinkIfExists(path);
  }
}

// The poller's one wait outlives the test that has started it.
const options = { sanitizeOps: false, sanitizeResources: false, ignore: Deno.uid() !== 0 };

Deno.test("ConsoleSocket takes a terminal with all that was written on it (root)", options, async () => {
  const end = asyncFd((await received("terminal"))!);
  const flags = /^flags:\s+0(\d+)$/m.exec(kernel.readText(`/proc/self/fdinfo/${end.fd}`))![1];
  assert(parseInt(flags, 8) & 0o2000000, "close-on-exec");
  const buffer = new Uint8Array(100);
  const count = await end.read(buffer);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, count!)), "last words");
  assertEquals(await end.read(buffer), null);
  end.close();
});

Deno.test("ConsoleSocket takes one descriptor, and only a terminal's master (root)", options, async () => {
  await leaksNoDescriptor(async () => kernel.close((await received("two"))!));
  await leaksNoDescriptor(() => assertRejects(() => received("file"), Errno, "TIOCGPTN"));
});

Deno.test("ConsoleSocket has nothing from a runtime that leaves without a terminal (root)", options, async () => {
  for (const what of ["nothing", "bytes"]) {
    await leaksNoDescriptor(async () => assertEquals(await received(what), undefined));
  }
});

Deno.test("ConsoleSocket is given up after a time, or when told to (root)", options, async () => {
  await leaksNoDescriptor(async () => {
    const path = newPath();
    const socket = new ConsoleSocket(path);
    await assertRejects(() => socket.receive(20), Errno, `accept ${path}: timed out`);
    kernel.unlinkIfExists(path);
  });
  await leaksNoDescriptor(async () => {
    const path = newPath();
    const socket = new ConsoleSocket(path);
    const result = socket.receive(FOREVER);
    socket.stop();
    assertEquals(await result, undefined);
    kernel.unlinkIfExists(path);
  });
  const path = newPath();
  const socket = new ConsoleSocket(path);
  const silent = runtime(path, "wait");
  await assertRejects(() => socket.receive(1_000), Errno, `accept ${path}: timed out`);
  silent.kill("SIGKILL");
  await silent.status;
  kernel.unlinkIfExists(path);
});

Deno.test("ConsoleSocket names a path that cannot be (root)", options, async () => {
  await leaksNoDescriptor(() => {
    assertThrows(
      () => new ConsoleSocket("/run/no-such-folder/console"),
      Errno,
      "bind /run/no-such-folder/console: no such",
    );
    assertThrows(() => new ConsoleSocket(`/run/${"x".repeat(103)}`), Errno, "too long");
  });
});
