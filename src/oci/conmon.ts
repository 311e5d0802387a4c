import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import {
  type AsyncFd,
  asyncFd,
  type Child,
  ENOENT,
  Errno,
  O_CREAT,
  O_TRUNC,
  O_WRONLY,
  pipe,
  type Programs,
} from "../sys/mod.ts";
import type { MonitorFiles } from "./monitor_files.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import { lastError, lastWords, saysNoProgram } from "./runtime_words.ts";
import type { MonitorCreate } from "./types.ts";

/** Descriptors that conmon is told of by its environment. */
const SYNC_PIPE = 3;
const START_PIPE = 4;

/** conmon's one line: the pid, or what the runtime said. */
const MESSAGE_LIMIT = 64 << 10;

const OUTPUT_LIMIT = 256 << 10;

/** A conmon that waits for the word to start its runtime. */
export interface StartedConmon {
  child: Child;
  /** Our end: one byte lets it go. */
  start: AsyncFd;
  /** Our end: one line comes once the container is created or has failed. */
  sync: AsyncFd;
}

export async function startConmon(
  kernel: Kernel,
  programs: Programs,
  files: MonitorFiles,
  request: MonitorCreate,
): Promise<StartedConmon> {
  const open: number[] = [];
  const keep = (fd: number) => (open.push(fd), fd);
  try {
    const sync = pipe();
    open.push(sync.read, sync.write);
    const start = pipe();
    open.push(start.read, start.write);
    // A file, not a pipe: conmon may have something to say long after we have stopped listening.
    const stderr = keep(kernel.open(`${request.bundle}/conmon.log`, O_WRONLY | O_CREAT | O_TRUNC, 0o600));
    const child = await programs.start(request.handler.conmon, conmonArgs(files, request), {
      env: { ...RUNTIME_ENV, _OCI_SYNCPIPE: String(SYNC_PIPE), _OCI_STARTPIPE: String(START_PIPE) },
      cwd: request.bundle,
      fds: { 2: stderr, [SYNC_PIPE]: sync.write, [START_PIPE]: start.read },
    });
    for (const fd of [sync.write, start.read, stderr]) kernel.close(fd);
    return { child, start: asyncFd(start.write), sync: asyncFd(sync.read) };
  } catch (error) {
    for (const fd of open) kernel.close(fd);
    throw error;
  }
}

function conmonArgs(
  files: MonitorFiles,
  { handler, id, bundle, logPath, terminal, stdin, leaveStdinOpen }: MonitorCreate,
): string[] {
  return [
    ["--cid", id, "--cuuid", id, "--name", id],
    ["--bundle", bundle, "--container-pidfile", `${bundle}/pidfile`, "--conmon-pidfile", `${bundle}/conmon-pidfile`],
    ["--exit-dir", files.exits, "--persist-dir", files.persist(id), "--socket-dir-path", files.attach],
    ["--log-path", logPath === "" ? "off" : logPath, "--log-level", "warning", "--no-sync-log"],
    ["--runtime", handler.path, "--runtime-arg", "--root", "--runtime-arg", handler.root],
    [
      "--runtime-arg",
      "--log",
      "--runtime-arg",
      `${bundle}/runtime.log`,
      "--runtime-arg",
      "--log-format",
      "--runtime-arg",
      "json",
    ],
    handler.cgroupDriver === "systemd" ? ["--runtime-arg", "--systemd-cgroup"] : [],
    // With a terminal conmon always keeps its input.
    terminal ? ["--terminal"] : [],
    stdin && !terminal ? ["--stdin"] : [],
    stdin && leaveStdinOpen ? ["--leave-stdin-open"] : [],
  ].flat();
}

/** The first line that conmon writes: pid of the container. RpcError INTERNAL with the runtime's words if there is none. */
export async function readCreated(
  kernel: Kernel,
  sync: AsyncFd,
  { handler, id, bundle }: MonitorCreate,
): Promise<number> {
  const line = await readLine(sync);
  const message = parseMessage(line);
  if (message !== undefined && message.pid > 0) return message.pid;
  const log = lastError(readIfThere(kernel, `${bundle}/runtime.log`));
  const words = log ?? lastWords(message?.message || readIfThere(kernel, `${bundle}/conmon.log`) || line);
  throw new RpcError(
    saysNoProgram(words) ? Code.NOT_FOUND : Code.INTERNAL,
    `${handler.name} create of container ${id}: ${words || "conmon ended without a word"}`,
  );
}

async function readLine(source: AsyncFd): Promise<string> {
  const buffer = new Uint8Array(MESSAGE_LIMIT);
  let length = 0;
  while (length < buffer.length) {
    const count = await source.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
    if (buffer.subarray(length - count, length).includes(0x0a)) break;
  }
  return new TextDecoder().decode(buffer.subarray(0, length)).split("\n")[0];
}

function parseMessage(line: string): { pid: number; message?: string } | undefined {
  try {
    const { pid, data, message } = JSON.parse(line);
    return { pid: Number(pid ?? data), message };
  } catch {
    // Cut short or not JSON: the caller shows the line itself.
    return undefined;
  }
}

function readIfThere(kernel: Kernel, path: string): string {
  try {
    return kernel.readText(path, OUTPUT_LIMIT);
  } catch (error) {
    if (error instanceof Errno && error.code === ENOENT) return "";
    throw error;
  }
}
