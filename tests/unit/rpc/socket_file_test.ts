import { assert, assertEquals, assertRejects } from "@std/assert";
import { listenOnSocket } from "../../../src/rpc/socket_file.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";

function inFolder(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir({ prefix: "skiff-socket-" });
    try {
      await body(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

function listing(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** A socket file that nobody listens on. Deno removes the file that it listened on, so this one is a second name. */
async function makeStale(path: string): Promise<void> {
  const listener = Deno.listen({ transport: "unix", path: `${path}.0` });
  await Deno.link(`${path}.0`, path);
  listener.close();
}

inFolder("listenOnSocket() makes the folder 0700 and the socket with its mode, whatever the umask", async (folder) => {
  const umask = Deno.umask(0);
  try {
    const path = `${folder}/a/b/test.sock`;
    const socket = await listenOnSocket(path, 0o660);
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o660);
    assertEquals((await Deno.stat(`${folder}/a/b`)).mode! & 0o777, 0o700);
    assertEquals(listing(`${folder}/a/b`), ["test.sock"]);
    await socket.remove();
    socket.listener.close();
    assertEquals(listing(`${folder}/a/b`), []);
  } finally {
    Deno.umask(umask);
  }
});

inFolder("listenOnSocket() never shows the socket with more rights than its mode", async (folder) => {
  const umask = Deno.umask(0);
  const modes = new Set<number>();
  const watcher = Deno.watchFs(folder);
  const watching = (async () => {
    for await (const { paths } of watcher) {
      for (const path of paths) {
        if (!path.endsWith("test.sock")) continue;
        try {
          modes.add(Deno.lstatSync(path).mode! & 0o777);
        } catch (error) {
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
    }
  })();
  try {
    const socket = await listenOnSocket(`${folder}/test.sock`, 0o660);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await socket.remove();
    socket.listener.close();
  } finally {
    watcher.close();
    await watching;
    Deno.umask(umask);
  }
  assertEquals([...modes], [0o660]);
});

inFolder("listenOnSocket() leaves the mode of a folder that is there", async (folder) => {
  await Deno.chmod(folder, 0o755);
  const socket = await listenOnSocket(`${folder}/test.sock`, 0o600);
  assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o755);
  assertEquals((await Deno.stat(`${folder}/test.sock`)).mode! & 0o777, 0o600);
  await socket.remove();
  socket.listener.close();
});

inFolder("listenOnSocket() can be connected to under its name", async (folder) => {
  const path = `${folder}/test.sock`;
  const socket = await listenOnSocket(path, 0o660);
  const [accepted, connected] = await Promise.all([
    socket.listener.accept(),
    Deno.connect({ transport: "unix", path }),
  ]);
  accepted.close();
  connected.close();
  await socket.remove();
  socket.listener.close();
});

inFolder("listenOnSocket() takes over a socket that nobody answers on", async (folder) => {
  const path = `${folder}/test.sock`;
  await makeStale(path);
  const socket = await listenOnSocket(path, 0o660);
  (await Deno.connect({ transport: "unix", path })).close();
  await socket.remove();
  socket.listener.close();
});

inFolder("listenOnSocket() refuses a socket that is answered, and leaves it alone", async (folder) => {
  const path = `${folder}/test.sock`;
  const first = await listenOnSocket(path, 0o660);
  const error = await assertRejects(() => listenOnSocket(path, 0o660), RpcError, `${path}: another process answers`);
  assertEquals(error.code, Code.FAILED_PRECONDITION);
  (await Deno.connect({ transport: "unix", path })).close();
  await first.remove();
  first.listener.close();
});

inFolder("listenOnSocket() refuses what is not a socket, and leaves it alone", async (folder) => {
  await Deno.writeTextFile(`${folder}/file`, "precious");
  await Deno.mkdir(`${folder}/folder`);
  await makeStale(`${folder}/stale`);
  await Deno.symlink(`${folder}/stale`, `${folder}/link`);
  for (const name of ["file", "folder", "link"]) {
    await assertRejects(
      () => listenOnSocket(`${folder}/${name}`, 0o660),
      RpcError,
      `${folder}/${name}: it exists and is`,
    );
  }
  assertEquals(await Deno.readTextFile(`${folder}/file`), "precious");
  assertEquals(listing(folder), ["file", "folder", "link", "stale"]);
});

inFolder("listenOnSocket() survives what a crash left of an earlier attempt", async (folder) => {
  await Deno.mkdir(`${folder}/.bind`);
  await makeStale(`${folder}/.bind/s`);
  const socket = await listenOnSocket(`${folder}/test.sock`, 0o660);
  assertEquals(listing(folder), ["test.sock"]);
  await socket.remove();
  socket.listener.close();
});

Deno.test("listenOnSocket() says how much too long a path is", async () => {
  const name = "x".repeat(130);
  const error = await assertRejects(() => listenOnSocket(`/run/${name}/s`, 0o660), RpcError, "30 bytes too long");
  assertEquals(error.code, Code.INVALID_ARGUMENT);
  assert(error.message.includes("107"));
});

inFolder("listenOnSocket() takes a path of exactly 107 bytes", async (folder) => {
  const path = `${folder}/${"ü".repeat(20)}`.padEnd(107 - 20, "x");
  assertEquals(new TextEncoder().encode(path).length, 107);
  const socket = await listenOnSocket(path, 0o660);
  (await Deno.connect({ transport: "unix", path })).close();
  await socket.remove();
  socket.listener.close();
});

Deno.test("listenOnSocket() refuses a path that is not absolute", async () => {
  for (const path of ["test.sock", "", "/run/", "/run/\0"]) {
    await assertRejects(() => listenOnSocket(path, 0o660), RpcError, "not an absolute path");
  }
});

inFolder("SocketFile.remove() leaves the socket of a successor", async (folder) => {
  const path = `${folder}/test.sock`;
  const first = await listenOnSocket(path, 0o660);
  await Deno.remove(path);
  const second = await listenOnSocket(path, 0o660);
  await first.remove();
  first.listener.close();
  (await Deno.connect({ transport: "unix", path })).close();
  await second.remove();
  second.listener.close();
  assertEquals(listing(folder), []);
});
