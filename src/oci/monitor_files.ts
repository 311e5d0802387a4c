import type { Kernel } from "../sys/kernel.ts";
import { EEXIST, ENOENT, Errno, isErrno, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, S_IFMT, S_IFREG } from "../sys/mod.ts";
import { invalid, quote } from "./refusal.ts";

/** Room for a path in a socket's address, without the NUL. */
const SOCKET_PATH_BYTES = 107;

/**
 * The link that conmon makes to the folder of a container's attach socket. Where its path just fits into a socket's
 * address, conmon leaves out the last character, so that link and socket are told apart.
 */
export function attachLink(stateFolder: string, id: string): string {
  const path = `${stateFolder}/attach/${id}`;
  return new TextEncoder().encode(path).length === SOCKET_PATH_BYTES ? path.slice(0, -1) : path;
}

/** Where monitors and the daemon meet: every path is known from the container's ID, so that it is found after a restart. */
export class MonitorFiles {
  readonly exits: string;
  readonly attach: string;
  readonly #persist: string;

  constructor(private readonly kernel: Kernel, private readonly stateFolder: string) {
    this.exits = `${stateFolder}/exits`;
    this.attach = `${stateFolder}/attach`;
    this.#persist = `${stateFolder}/persist`;
  }

  /** conmon's `--persist-dir`: it notes there that the kernel has killed for memory. */
  persist(id: string): string {
    return `${this.#persist}/${id}`;
  }

  prepare(id: string): void {
    for (const folder of [this.exits, this.attach, this.persist(id)]) this.kernel.mkdirs(folder, 0o700);
  }

  /** Content of the exit file: written in whole by conmon (renamed into place). */
  exit(id: string): { code: number; finishedAt: bigint; oomKilled: boolean } | undefined {
    const path = `${this.exits}/${id}`;
    try {
      const { mtime } = this.kernel.stat(path);
      const text = this.kernel.readText(path).trim();
      if (!/^-?\d+$/.test(text)) return undefined;
      return { code: Number(text), finishedAt: mtime, oomKilled: this.kernel.exists(`${this.persist(id)}/oom`) };
    } catch (error) {
      if (error instanceof Errno && error.code === ENOENT) return undefined;
      throw error;
    }
  }

  /** IDs of containers that have ended and are not forgotten yet. conmon's temporary files have a dot in their names. */
  ended(): string[] {
    return this.kernel.readDirectory(this.exits).map(({ name }) => name).filter((name) => !name.includes("."));
  }

  /** Off this thread: on a busy disk, which /run may be on, each of them waits for the journal. */
  async forget(id: string): Promise<void> {
    await Promise.all([
      this.#unlink(`${this.exits}/${id}`),
      this.#unlink(attachLink(this.stateFolder, id)),
      this.kernel.removeTree(this.persist(id)),
    ]);
  }

  async #unlink(path: string): Promise<void> {
    try {
      await this.kernel.unlinkOffThread(path);
    } catch (error) {
      if (!isErrno(error, ENOENT)) throw error;
    }
  }
}

/**
 * Makes the log file before conmon opens it by its path: a symlink or anything but a regular file there would have conmon
 * write to a place of somebody else's choice.
 */
export function prepareLog(kernel: Kernel, path: string): void {
  // conmon takes what is before a colon for the name of a log driver.
  if (path.includes(":")) throw invalid("log_path", `${quote(path)} holds a colon, which the monitor cannot write to`);
  kernel.mkdirs(path.slice(0, path.lastIndexOf("/")) || "/", 0o755);
  try {
    kernel.close(kernel.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o640));
  } catch (error) {
    if (!(error instanceof Errno && error.code === EEXIST)) throw error;
    if ((kernel.lstat(path).mode & S_IFMT) !== S_IFREG) {
      throw invalid("log_path", `${quote(path)} is there and not a regular file`);
    }
  }
}
