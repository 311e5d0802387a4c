import type { Logger } from "../../observe/types.ts";
import { type Kernel, within } from "../../sys/mod.ts";
import { type TreeUsage, treeUsage } from "./tree_usage.ts";

/** A figure is at most this old, in milliseconds, when somebody asks often enough. */
const MAX_AGE = 10_000;
/** Milliseconds. */
const STOP_GRACE = 2_000;

/** The folders that containers write to, `<root>/containers/<id>/{upper,work}`, and how much is in them. */
export class WritableFolders implements AsyncDisposable {
  readonly folder: string;
  #trash: string;
  #kernel: Kernel;
  #logger: Logger;
  #usage = new Map<string, { value: TreeUsage; measured: number; running: boolean }>();
  #removals = new Set<Promise<void>>();

  constructor(options: { kernel: Kernel; folder: string; trash: string; logger: Logger }) {
    this.#kernel = options.kernel;
    this.folder = options.folder;
    this.#trash = options.trash;
    this.#logger = options.logger;
  }

  async start(): Promise<void> {
    this.#kernel.mkdirs(this.folder, 0o700);
    this.#kernel.mkdirs(this.#trash, 0o700);
    this.emptyTrash();
    for (const id of this.ids()) this.#track(id);
  }

  /** Removes, beside other work, what was moved there. */
  emptyTrash(): void {
    for (const { name } of this.#kernel.readDirectory(this.#trash)) this.#removeInBackground(`${this.#trash}/${name}`);
  }

  ids(): string[] {
    return this.#kernel.readDirectory(this.folder).map(({ name }) => name);
  }

  paths(id: string): { upper: string; work: string } {
    return { upper: `${this.folder}/${id}/upper`, work: `${this.folder}/${id}/work` };
  }

  /** New and empty, whatever was there before: what a crash left of a volatile overlay is of no use. */
  create(id: string): { upper: string; work: string } {
    this.discard(id);
    const { upper, work } = this.paths(id);
    this.#kernel.mkdirs(upper, 0o700);
    this.#kernel.mkdirs(work, 0o700);
    this.#track(id);
    return { upper, work };
  }

  /** Gone at once by name; the bytes follow. */
  discard(id: string): void {
    this.#usage.delete(id);
    const path = `${this.folder}/${id}`;
    if (!this.#kernel.exists(path)) return;
    const doomed = `${this.#trash}/${crypto.randomUUID()}`;
    this.#kernel.rename(path, doomed);
    this.#removeInBackground(doomed);
  }

  /** Of one container, or of all. Answers from memory, and measures again in the background what is too old. */
  usage(id?: string): TreeUsage {
    if (id !== undefined) return this.#refreshed(id);
    const sum: TreeUsage = { usedBytes: 0, inodesUsed: 0 };
    for (const each of this.#usage.keys()) {
      const { usedBytes, inodesUsed } = this.#refreshed(each);
      sum.usedBytes += usedBytes;
      sum.inodesUsed += inodesUsed;
    }
    return sum;
  }

  /** What is not removed within moments is left to the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#usage.clear();
    await within(STOP_GRACE, Promise.allSettled(this.#removals));
  }

  #track(id: string): void {
    this.#usage.set(id, { value: { usedBytes: 4096, inodesUsed: 1 }, measured: -Infinity, running: false });
  }

  #refreshed(id: string): TreeUsage {
    const entry = this.#usage.get(id);
    if (!entry) return { usedBytes: 0, inodesUsed: 0 };
    if (!entry.running && performance.now() - entry.measured > MAX_AGE) {
      entry.running = true;
      treeUsage(this.#kernel, this.paths(id).upper)
        .then((value) => entry.value = value)
        .catch((error) => {
          // A container that goes away meanwhile is no news.
          if (this.#usage.has(id)) this.#logger.warn("a writable folder could not be measured", { id, error });
        })
        .finally(() => {
          entry.measured = performance.now();
          entry.running = false;
        });
    }
    return entry.value;
  }

  #removeInBackground(path: string): void {
    const removal = this.#kernel.removeTree(path).catch((error) => {
      this.#logger.warn("a discarded writable folder could not be removed; the next start tries again", {
        path,
        error,
      });
    });
    this.#removals.add(removal);
    removal.finally(() => this.#removals.delete(removal));
  }
}
