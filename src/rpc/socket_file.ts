import { Code, RpcError } from "./status.ts";

/** sun_path has 108 bytes, the last of which is a zero. */
const MAX_SOCKET_PATH = 107;

/** A listening socket and the file that leads to it. */
export interface SocketFile {
  listener: Deno.Listener<Deno.UnixConn>;
  /** Removes the file, unless another process has put its own there. */
  remove(): Promise<void>;
}

/**
 * Listens on a unix socket whose file never has more rights than `mode`, not even for a moment: it is made in a folder
 * that only its owner can enter, and linked to its place when all is set.
 *
 * A socket that nobody answers on is replaced; one that answers, or a file that is no socket, is left alone.
 * @throws {RpcError} naming the path, and what stands in the way.
 */
export async function listenOnSocket(path: string, mode: number): Promise<SocketFile> {
  const folder = folderOf(path);
  const staging = `${folder}/.bind`;
  checkLength(path, path);
  checkLength(`${staging}/s`, path);
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  await removeStaleSocket(path);
  await Deno.remove(staging, { recursive: true }).catch(ignoreNotFound);
  await Deno.mkdir(staging, { mode: 0o700 });
  let listener: Deno.Listener<Deno.UnixConn> | undefined;
  try {
    listener = Deno.listen({ transport: "unix", path: `${staging}/s` });
    await Deno.chmod(`${staging}/s`, mode);
    await Deno.link(`${staging}/s`, path);
    const own = await Deno.lstat(path);
    return { listener, remove: () => removeOwn(path, own) };
  } catch (cause) {
    listener?.close();
    if (cause instanceof Deno.errors.AlreadyExists) throw inUse(path);
    throw new RpcError(Code.UNAVAILABLE, `cannot listen on ${path}`, { cause });
  } finally {
    await Deno.remove(staging, { recursive: true }).catch(ignoreNotFound);
  }
}

function folderOf(path: string): string {
  if (!path.startsWith("/") || path.endsWith("/") || path.includes("\0")) {
    throw new RpcError(Code.INVALID_ARGUMENT, `socket path ${JSON.stringify(path)} is not an absolute path of a file`);
  }
  return path.slice(0, path.lastIndexOf("/"));
}

function checkLength(bound: string, path: string): void {
  const length = new TextEncoder().encode(bound).length;
  if (length <= MAX_SOCKET_PATH) return;
  const tooLong = length - MAX_SOCKET_PATH;
  throw new RpcError(
    Code.INVALID_ARGUMENT,
    `socket path ${path} is ${tooLong} bytes too long: a unix socket's path has at most ${MAX_SOCKET_PATH} bytes; choose a shorter folder`,
  );
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch(ignoreNotFound);
  if (found === undefined) return;
  if (!found.isSocket) {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `cannot listen on ${path}: it exists and is not a socket; move it away`,
    );
  }
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return await removeOwn(path, found);
    if (error instanceof Deno.errors.NotFound) return;
    throw new RpcError(Code.UNAVAILABLE, `cannot find out whether a process listens on ${path}`, { cause: error });
  }
  throw inUse(path);
}

function inUse(path: string): RpcError {
  return new RpcError(
    Code.FAILED_PRECONDITION,
    `cannot listen on ${path}: another process answers on it; stop it first`,
  );
}

async function removeOwn(path: string, own: Deno.FileInfo): Promise<void> {
  const found = await Deno.lstat(path).catch(ignoreNotFound);
  if (found?.ino === own.ino && found?.dev === own.dev) await Deno.remove(path).catch(ignoreNotFound);
}

function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
