/**
 * What code that got hold of the parser would try. Run by parser_test.ts: it goes through the parser's own steps (open the
 * files, give up everything), then tries each attack and prints its outcome as a line of JSON.
 */
import * as childProcess from "node:child_process";
import * as fs from "node:fs";
import * as fsPromises from "node:fs/promises";
import * as net from "node:net";
import * as dgram from "node:dgram";
import * as os from "node:os";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { Worker as NodeWorker } from "node:worker_threads";
import { enterSandbox } from "../../src/images/sandbox.ts";

const [folder, victim, port, socket, canary] = Deno.args;
const canaryPid = Number(canary);

const kept = Deno.openSync(`${folder}/layer-0.part`, { read: true, write: true, createNew: true });
// Modules that an attacker could only load from disk are loaded while that is allowed: the worst case.
enterSandbox();

const SHADOW = "/etc/shadow";
const LIBC = "libc.so.6";
const SYMBOLS = { open: { parameters: ["buffer", "i32"], result: "i32" } } as const;
const internal =
  (Deno as unknown as Record<symbol, { core?: { ops?: Record<string, (...args: unknown[]) => unknown> } }>)[
    (Deno as unknown as { internal: symbol }).internal
  ];
const ops = internal?.core?.ops ?? {};
const binding = (process as unknown as { binding?: (name: string) => Record<string, unknown> }).binding;

/** An op of Deno's own core, through the object that its own test suite uses; absent ones count as refused. */
function op(name: string, ...args: unknown[]): unknown {
  const call = ops[name];
  if (!call) throw new Error(`no op ${name}`);
  return call(...args);
}

const attacks: Record<string, () => unknown> = {
  "open for reading, Deno.readTextFileSync": () => Deno.readTextFileSync(SHADOW),
  "open for reading, Deno.open": () => Deno.open(SHADOW),
  "open for writing, Deno.openSync": () => Deno.openSync(victim, { write: true }),
  "open for writing, Deno.writeTextFileSync": () => Deno.writeTextFileSync(victim, "pwned"),
  "open for reading, node:fs": () => fs.readFileSync(SHADOW),
  "open for reading, node:fs/promises": () => fsPromises.readFile(SHADOW),
  "open for writing, node:fs": () => fs.writeFileSync(victim, "pwned"),
  "open for writing, node:fs stream": () =>
    new Promise((resolve, reject) => fs.createWriteStream(victim).on("error", reject).on("open", resolve)),
  "open for reading, fetch": () => fetch(`file://${SHADOW}`).then((response) => response.text()),
  "open for reading, import as text": () => import(`file://${folder}/secret.json`, { with: { type: "json" } }),
  "open for reading, import as code": () => import(`file://${folder}/secret.ts`),
  "open for reading, worker": () => runWorker(`Deno.readTextFileSync("${SHADOW}")`),
  "open for reading, node worker": () =>
    new Promise((resolve, reject) => {
      const worker = new NodeWorker(`require("node:fs").readFileSync("${SHADOW}")`, { eval: true });
      worker.on("error", reject);
      worker.on("exit", (code) => code === 0 ? resolve(code) : reject(new Error(`exit ${code}`)));
    }),
  "open for reading, /proc/self/fd": () => Deno.openSync("/proc/self/fd/0/../../../etc/shadow"),
  "open for reading, sqlite": () => new DatabaseSync(`${folder}/secret.db`),
  "open for writing, sqlite attach": () =>
    new DatabaseSync(":memory:").exec(`ATTACH DATABASE '${victim}' AS x; CREATE TABLE x.t (a)`),
  "open for writing, sqlite vacuum": () => new DatabaseSync(":memory:").exec(`VACUUM INTO '${victim}.vacuum'`),
  "list a folder": () => [...Deno.readDirSync("/etc")],
  "stat a file": () => Deno.statSync(SHADOW),
  "remove a file": () => Deno.removeSync(victim),
  "rename a file": () => Deno.renameSync(victim, `${victim}.new`),
  "link a file": () => Deno.linkSync(victim, `${victim}.link`),
  "symlink": () => Deno.symlinkSync(SHADOW, `${folder}/link`),
  "change a mode": () => Deno.chmodSync(victim, 0o666),
  "make a folder": () => Deno.mkdirSync(`${folder}/new`),
  "temporary file": () => Deno.makeTempFileSync(),
  "working directory": () => Deno.chdir("/"),
  "kill, Deno": () => Deno.kill(canaryPid, "SIGKILL"),
  "kill, node": () => process.kill(canaryPid, "SIGKILL"),
  "kill, op": () => op("op_kill", canaryPid, "SIGKILL", "Deno.kill()"),
  "execve, Deno.Command": () => new Deno.Command("/bin/true").outputSync(),
  "execve, Deno.Command asynchronous": () => new Deno.Command("/bin/true").output(),
  "execve, node:child_process": () => childProcess.execFileSync("/bin/true"),
  "execve, node:child_process fork": () => childProcess.fork(`${folder}/secret.ts`),
  "execve, node process.execve": () => (process as unknown as { execve: (path: string) => void }).execve("/bin/true"),
  "mount, by a program": () => childProcess.execFileSync("/bin/mount", ["-t", "tmpfs", "none", folder]),
  "socket, TCP": () => Deno.connect({ hostname: "127.0.0.1", port: Number(port) }),
  "socket, TCP listening": () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  "socket, unix": () => Deno.connect({ transport: "unix", path: socket }),
  "socket, unix listening": () => Deno.listen({ transport: "unix", path: `${folder}/listening.sock` }),
  "socket, abstract unix": () => Deno.listen({ transport: "unix", path: "\0skiff-attack" }),
  "socket, fetch": () => fetch(`http://127.0.0.1:${port}/`),
  "socket, WebSocket": () =>
    new Promise((resolve, reject) => {
      const webSocket = new WebSocket(`ws://127.0.0.1:${port}/`);
      webSocket.onopen = resolve;
      webSocket.onerror = () => reject(new Error("WebSocket error"));
    }),
  "socket, serve": () => Deno.serve({ hostname: "127.0.0.1", port: 0 }, () => new Response("")),
  "socket, UDP": () => dgramSend(),
  "socket, node:net": () => netConnect({ host: "127.0.0.1", port: Number(port) }),
  "socket, node:net unix": () => netConnect({ path: socket }),
  "name lookup": () => Deno.resolveDns("localhost", "A"),
  "environment, Deno": () => Deno.env.toObject(),
  "environment, one variable": () => Deno.env.get("PATH"),
  "environment, node": () => process.env.PATH ?? Promise.reject(new Error("undefined")),
  "environment, /proc": () => Deno.readTextFileSync("/proc/self/environ"),
  "system information": () => Deno.hostname(),
  "system information, node": () => os.networkInterfaces(),
  "FFI, Deno.dlopen": () => Deno.dlopen(LIBC, SYMBOLS),
  "FFI, own program": () => Deno.dlopen("", SYMBOLS),
  "FFI, pointers": () => Deno.UnsafePointer.of(new Uint8Array(8)),
  "FFI, memory": () =>
    Deno.UnsafePointer.create(0x400000n) &&
    Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(0x400000n)!, 16),
  "FFI, process.dlopen": () =>
    (process as unknown as { dlopen: (module: object, path: string) => void }).dlopen({ exports: {} }, LIBC),
  "FFI, node addon": () =>
    (process as unknown as { dlopen: (module: object, path: string) => void }).dlopen(
      { exports: {} },
      `${folder}/addon.node`,
    ),
  "FFI, op": () => op("op_ffi_load", { path: LIBC, symbols: {} }),
  "FFI, node addon op": () => op("op_napi_open", `${folder}/addon.node`, globalThis, Object, Error),
  "FFI, node addon op with libc": () =>
    op("op_napi_open", "/lib/x86_64-linux-gnu/libc.so.6", globalThis, Object, Error),
  "FFI, sqlite extension": () => {
    const database = new DatabaseSync(":memory:", { allowExtension: true });
    database.loadExtension(LIBC);
  },
  "op, open": () => op("op_fs_open_sync", SHADOW, { read: true }),
  "op, read": () => op("op_fs_read_file_text_sync", SHADOW),
  "op, connect": () => op("op_net_connect_tcp", { hostname: "127.0.0.1", port: Number(port) }),
  "op, spawn": () => op("op_spawn_child", { cmd: "/bin/true", args: [] }, "Deno.Command().spawn()"),
  "binding, fs": () => {
    if (!binding) throw new Error("no process.binding");
    const { open } = binding("fs") as { open?: (path: string, flags: number) => number };
    if (!open) throw new Error("no open in the binding");
    return open(SHADOW, 0);
  },
  "ask for a permission back": async () => {
    const { state } = await Deno.permissions.request({ name: "read" });
    if (state !== "granted") throw new Error(`state is ${state}`);
  },
};

function runWorker(code: string): Promise<unknown> {
  const address = URL.createObjectURL(new Blob([`${code}; postMessage("done")`], { type: "application/javascript" }));
  return new Promise((resolve, reject) => {
    const worker = new Worker(address, { type: "module" });
    worker.onmessage = resolve;
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
}

function dgramSend(): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const udp = dgram.createSocket("udp4");
    udp.on("error", reject);
    udp.send("x", Number(port), "127.0.0.1", (error) => error ? reject(error) : resolve(undefined));
  });
}

function netConnect(options: net.NetConnectOpts): Promise<unknown> {
  return new Promise((resolve, reject) => net.connect(options, () => resolve(undefined)).on("error", reject));
}

const waited = (outcome: unknown) =>
  Promise.race([outcome, new Promise((_, reject) => setTimeout(() => reject(new Error("nothing happened")), 2000))]);

globalThis.addEventListener("unhandledrejection", (event) => event.preventDefault());
globalThis.addEventListener("error", (event) => event.preventDefault());

for (const [name, attack] of Object.entries(attacks)) {
  let line: { name: string; succeeded: boolean; text: string };
  try {
    const value = await waited(attack());
    line = { name, succeeded: true, text: String(value).slice(0, 100) };
  } catch (error) {
    line = { name, succeeded: false, text: String(error).split("\n")[0].slice(0, 160) };
  }
  console.log(JSON.stringify(line));
}

// The work itself must still be possible.
kept.writeSync(new TextEncoder().encode("still open"));
console.log(JSON.stringify({ name: "own file", succeeded: true, text: "written" }));
Deno.exit(0);
