import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import type { Logger } from "../../observe/types.ts";
import {
  EBUSY,
  isErrno,
  type Kernel,
  KeyedQueue,
  MNT_DETACH,
  MS_BIND,
  MS_NODEV,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  type Programs,
} from "../../sys/mod.ts";
import type { LingeringMounts } from "./lingering_mounts.ts";
import type { ErofsMethod, LayerMethod } from "./types.ts";
import { prepareSharedFolder, releaseSharedFolder } from "./shared_folder.ts";

const MOUNT_PROGRAM = "/bin/mount";

/** Mounts one image file, read-only. The overlay on top decides about devices and setuid, not this mount. */
export async function mountImage(
  kernel: Kernel,
  programs: Programs,
  method: ErofsMethod,
  file: string,
  target: string,
): Promise<void> {
  if (method === "erofs-file") return kernel.mount(file, target, "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID);
  const { code, stderr } = await programs.run(MOUNT_PROGRAM, [
    "-t",
    "erofs",
    "-o",
    "loop,ro,nodev,nosuid",
    file,
    target,
  ], { timeout: 30_000 });
  if (code !== 0) throw new Error(`mount -o loop of ${file} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Shows a folder at another place, read-only. */
export function bindFolder(kernel: Kernel, folder: string, target: string): void {
  kernel.mount(folder, target, null, MS_BIND);
  kernel.mount("none", target, null, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOSUID);
}

/** Every layer in use, mounted once at `<state>/layers/<name>`, however many containers share it: two mounts would not share the page cache. */
export class LayerMounts {
  #kernel: Kernel;
  #programs: Programs;
  #logger: Logger;
  #folder: string;
  #lingering: LingeringMounts;
  #queue = new KeyedQueue();
  #mounted = new Set<string>();
  /** Containers by the name of the layer. */
  #users = new Map<string, Set<string>>();

  constructor(
    options: { kernel: Kernel; programs: Programs; logger: Logger; folder: string; lingering: LingeringMounts },
  ) {
    this.#kernel = options.kernel;
    this.#programs = options.programs;
    this.#logger = options.logger;
    this.#folder = options.folder;
    this.#lingering = options.lingering;
  }

  /** The opposite of {@link LayerMounts.start}; what is in use stays mounted. */
  stop(): void {
    releaseSharedFolder(this.#kernel, this.#folder);
  }

  start(): void {
    for (const mountPoint of prepareSharedFolder(this.#kernel, this.#folder)) {
      this.#mounted.add(mountPoint.slice(this.#folder.length + 1));
    }
  }

  /**
   * Mounts a layer unless it is, and counts `user`. Returns the mount point.
   * @param file its image.
   * @param folder makes it a folder: asked for where the method is that.
   */
  async acquire(
    name: string,
    { file, folder }: { file: string; folder: () => Promise<string> },
    method: LayerMethod,
    user: string,
  ): Promise<string> {
    this.count(name, user);
    const target = `${this.#folder}/${name}`;
    await this.#queue.run(name, async () => {
      if (this.#mounted.has(name)) return;
      this.#kernel.mkdirs(target, 0o700);
      try {
        if (method === "folder") bindFolder(this.#kernel, await folder(), target);
        else await mountImage(this.#kernel, this.#programs, method, file, target);
      } catch (cause) {
        if (cause instanceof RpcError) throw cause;
        throw new RpcError(Code.INTERNAL, `cannot mount the layer ${file}: ${messageOf(cause)}`, { cause });
      }
      this.#mounted.add(name);
    });
    return target;
  }

  /** Notes a user of a layer that is mounted already. */
  count(name: string, user: string): void {
    const users = this.#users.get(name);
    if (users) users.add(user);
    else this.#users.set(name, new Set([user]));
  }

  /** The layers that the options of an overlay mount name, by their paths here or in `idmapped`. */
  namesIn(options: string[], idmapped: string): string[] {
    const paths = options.filter((option) => option.startsWith("lowerdir")).flatMap((option) =>
      option.replace(/^[^=]*=/, "").split(":")
    );
    return [this.#folder, idmapped].flatMap((folder) =>
      paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1))
    );
  }

  /** The layers that a user has. */
  of(user: string): string[] {
    return [...this.#users].filter(([, users]) => users.has(user)).map(([name]) => name);
  }

  /** What is mounted now, by name. */
  get mounted(): string[] {
    return [...this.#mounted];
  }

  isUsed(name: string): boolean {
    return this.#users.has(name);
  }

  /** Takes `user` off all layers and unmounts those that nobody uses any more. */
  async release(user: string): Promise<void> {
    for (const [name, users] of this.#users) {
      if (users.delete(user) && users.size === 0) this.#users.delete(name);
    }
    await this.unmountUnused();
  }

  async unmountUnused(): Promise<void> {
    const unused = [...this.#mounted].filter((name) => !this.#users.has(name));
    await Promise.all(unused.map((name) => this.#queue.run(name, () => this.#unmount(name))));
  }

  async #unmount(name: string): Promise<void> {
    // Somebody may have come while this waited its turn.
    if (this.#users.has(name) || !this.#mounted.has(name)) return;
    const target = `${this.#folder}/${name}`;
    try {
      await this.#kernel.umount(target, 0);
    } catch (error) {
      if (!isErrno(error, EBUSY)) throw error;
      this.#logger.warn("a layer is still open somewhere; it is unmounted lazily", { layer: name });
      this.#lingering.note(target, [name]);
      await this.#kernel.umount(target, MNT_DETACH);
    }
    this.#mounted.delete(name);
    await this.#kernel.rmdirOffThread(target);
  }
}
