import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import {
  asyncFd,
  type Kernel,
  O_NONBLOCK,
  O_RDONLY,
  pipe,
  type Programs,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  selfCommand,
  SIGKILL,
} from "../../sys/mod.ts";
import type { FetchSource } from "../child_events.ts";
import { childEnvironment } from "../child_environment.ts";
import { isDigest } from "../digest.ts";
import type { ArchiveAnswer, ArchiveContents } from "./types.ts";

const MAX_ANSWER = 64 << 20;

/** Where the images of a folder, or of a tar, come from. @throws {RpcError} for what is neither. */
export async function importSource(
  kernel: Kernel,
  programs: Programs,
  path: string,
  signal: AbortSignal,
): Promise<FetchSource> {
  let file: number;
  try {
    file = kernel.open(path, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    throw new RpcError(Code.NOT_FOUND, `no OCI image layout can be read: ${messageOf(error)}`);
  }
  try {
    const kind = kernel.fstat(file).mode & S_IFMT;
    if (kind === S_IFDIR) return { kind: "layout", path };
    if (kind !== S_IFREG) throw new RpcError(Code.INVALID_ARGUMENT, `${path} is neither a folder nor a regular file`);
    return { kind: "archive", path, contents: await readContents(kernel, programs, path, file, signal) };
  } finally {
    kernel.close(file);
  }
}

async function readContents(
  kernel: Kernel,
  programs: Programs,
  path: string,
  file: number,
  signal: AbortSignal,
): Promise<ArchiveContents> {
  const start = new Uint8Array(4);
  kernel.pread(file, start, 0);
  if (isCompressed(start)) {
    throw new RpcError(Code.FAILED_PRECONDITION, `${path} is compressed; unpack it first (gunzip, zstd -d, xz -d)`);
  }
  const output = pipe();
  const [program, ...args] = selfCommand("__index");
  const child = programs.spawn(program, args, {
    env: childEnvironment(kernel, { network: false }),
    fds: { 0: file, 1: output.write },
  });
  kernel.close(output.write);
  const stop = () => child.kill(SIGKILL);
  signal.addEventListener("abort", stop);
  const answers = asyncFd(output.read);
  try {
    let text = "";
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(1 << 16);
    for (let count = await answers.read(buffer); count !== null; count = await answers.read(buffer)) {
      text += decoder.decode(buffer.subarray(0, count), { stream: true });
      if (text.length > MAX_ANSWER) throw new RpcError(Code.RESOURCE_EXHAUSTED, `${path} has too many parts`);
    }
    signal.throwIfAborted();
    if (text === "") throw new RpcError(Code.INTERNAL, `the process that reads ${path} ended without an answer`);
    return checked(path, JSON.parse(text) as ArchiveAnswer);
  } finally {
    signal.removeEventListener("abort", stop);
    answers.close();
    child.kill(SIGKILL);
    await child.status;
  }
}

/** The child has read strangers' bytes: its answer has to have the shape of one. */
function checked(path: string, answer: ArchiveAnswer): ArchiveContents {
  if ("error" in answer) {
    throw new RpcError(Code.FAILED_PRECONDITION, `${path} cannot be imported: ${String(answer.error).slice(0, 1_000)}`);
  }
  const isPlace = (place: unknown) => Array.isArray(place) && place.length === 2 && place.every(isSize);
  const blobs = Object.entries(answer.blobs).filter(([digest]) => isDigest(digest));
  const isWhole = typeof answer.index === "string" && blobs.every(([, place]) => isPlace(place)) &&
    Object.values(answer.documents).every((document) => typeof document === "string");
  if (!isWhole) throw new RpcError(Code.INTERNAL, `the process that reads ${path} gave an answer that is none`);
  return { index: answer.index, documents: answer.documents, blobs: Object.fromEntries(blobs) };
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** gzip, zstd, xz, bzip2. */
function isCompressed([a, b, c, d]: Uint8Array): boolean {
  return (a === 0x1f && b === 0x8b) || (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) ||
    (a === 0xfd && b === 0x37 && c === 0x7a) || (a === 0x42 && b === 0x5a && c === 0x68);
}
