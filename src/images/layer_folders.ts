import {
  type Kernel,
  KeyedQueue,
  O_DIRECTORY,
  O_RDONLY,
  type Programs,
  SharedWork,
  syncFileSystem,
  withOpen,
} from "../sys/mod.ts";
import { compareImage } from "./unpack/compare.ts";
import { Slots } from "./slots.ts";
import type { Comparison, FolderTask, FolderUsage } from "./unpack/types.ts";
import { unpackImage, type UnpackOptions } from "./unpack/unpack.ts";

export interface LayerFoldersOptions {
  root: string;
  kernel: Kernel;
  programs: Programs;
  /** Most entries of a layer. */
  entries: number;
}

/** Names of layers, and of what mends a stack of them. */
export const FOLDER_NAME = /^(?:chain-)?[0-9a-f]{64}$/;

/** Processes that unpack at the same time: more of them would only wait for the disk. */
const AT_ONCE = 2;
const FOLDER = O_RDONLY | O_DIRECTORY;

/**
 * Images made into folders, `<root>/unpacked/<name>`, for kernels that mount no EROFS. A folder that is there is whole: it
 * is made elsewhere, synced, and gets its name last. It can go at any time that nobody has it mounted, as it can be made
 * from its image again.
 */
export class LayerFolders {
  readonly folder: string;
  #staging: string;
  #trash: string;
  #kernel: Kernel;
  #programs: Programs;
  #entries: number;
  #queue = new KeyedQueue();
  #slots = new Slots(AT_ONCE);
  /** A folder may be of tens of thousands of files: all of them, and those of its neighbours, are synced at once. */
  #contents = new SharedWork(() => withOpen(this.#kernel, this.folder, FOLDER, syncFileSystem));
  #names = new SharedWork(() => withOpen(this.#kernel, this.folder, FOLDER, (fd) => this.#kernel.fsync(fd)));

  constructor({ root, kernel, programs, entries }: LayerFoldersOptions) {
    this.folder = `${root}/unpacked`;
    this.#staging = `${root}/unpacking`;
    this.#trash = `${root}/trash`;
    this.#kernel = kernel;
    this.#programs = programs;
    this.#entries = entries;
  }

  /** Before anything else. What a process that died was at goes to the trash, which is emptied beside other work. */
  start(): void {
    for (const folder of [this.folder, this.#staging, this.#trash]) this.#kernel.mkdirs(folder, 0o700);
    for (const { name } of this.#kernel.readDirectory(this.#staging)) this.#throwAway(`${this.#staging}/${name}`);
  }

  list(): string[] {
    return this.#kernel.readDirectory(this.folder, Number.MAX_SAFE_INTEGER).map(({ name }) => name);
  }

  path(name: string): string {
    return `${this.folder}/${name}`;
  }

  has(name: string): boolean {
    return this.#kernel.exists(this.path(name));
  }

  /**
   * Makes the folder of an image unless it is there, for good once this settles; tells `made` what it takes.
   * @throws {RpcError} see {@link unpackImage}.
   */
  async make(
    name: string,
    image: string,
    { made, ...options }: { made?: (usage: FolderUsage) => Promise<void> } & UnpackOptions = {},
  ): Promise<void> {
    await this.#queue.run(name, async () => {
      if (this.has(name)) return;
      const staging = `${this.#staging}/${crypto.randomUUID()}`;
      this.#kernel.mkdir(staging, 0o700);
      try {
        const usage = await this.#unpack({ image, folder: staging, entries: this.#entries }, options);
        await this.#contents.run();
        this.#kernel.rename(`${staging}/tree`, this.path(name));
        await this.#names.run();
        await made?.(usage);
      } finally {
        await this.#kernel.removeTree(staging);
      }
    });
  }

  /** Compares a folder with its image. @throws {TaskFailure} */
  async compare(name: string, image: string, signal?: AbortSignal): Promise<Comparison> {
    // It was within the limit that there was when it was made.
    const task = { image, folder: this.path(name), entries: Number.MAX_SAFE_INTEGER };
    return await compareImage(this.#kernel, this.#programs, task, signal);
  }

  async #unpack(task: FolderTask, options: UnpackOptions): Promise<FolderUsage> {
    using _slot = await this.#slots.acquire(options.signal ?? new AbortController().signal);
    return await unpackImage(this.#kernel, this.#programs, task, options);
  }

  /** Gone at once by name; settles when the space is free. Nothing there is fine. */
  async remove(name: string): Promise<void> {
    await this.#queue.run(name, async () => {
      if (this.has(name)) await this.#kernel.removeTree(this.#throwAway(this.path(name)));
    });
  }

  /** Moves it to the trash: the space follows. */
  discard(name: string): void {
    this.#throwAway(this.path(name));
  }

  #throwAway(path: string): string {
    const doomed = `${this.#trash}/${crypto.randomUUID()}`;
    this.#kernel.rename(path, doomed);
    return doomed;
  }
}
