import type { Logger } from "../observe/types.ts";
import { messageOf } from "../rpc/status.ts";
import type { Kernel } from "../sys/mod.ts";
import type { ImageRecord, Images } from "./types.ts";

export interface ImportFolderOptions {
  kernel: Kernel;
  logger: Logger;
  images: Pick<Images, "importLayout" | "resolve">;
  /** Absolute path of a folder of tars and layouts; it need not exist. */
  folder: string;
  /** Where to note what has been imported. */
  notes: string;
}

/** What came of a tar or a folder, as long as it is the same. */
interface Note {
  size: number;
  /** Nanoseconds since the epoch, as text. */
  changed: string;
  images: string[];
}

const MAX_NOTES = 16 << 20;

/**
 * Imports what lies in a folder: images for nodes without a registry. What was imported before, has not changed since, and
 * is still here, is passed over; what cannot be imported is logged, and the rest goes on.
 */
export class FolderImport implements AsyncDisposable {
  #options: ImportFolderOptions;
  #abort = new AbortController();
  /** Settles when all has been looked at; never rejects. */
  readonly done: Promise<void>;

  constructor(options: ImportFolderOptions) {
    this.#options = options;
    this.done = this.#run().catch((error) => {
      if (!this.#abort.signal.aborted) options.logger.error("images cannot be imported at start", { error });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort(new Error("the daemon stops"));
    await this.done;
  }

  async #run(): Promise<void> {
    const { kernel, folder, notes } = this.#options;
    if (!kernel.exists(folder)) return;
    const before = this.#readNotes();
    const after: Record<string, Note> = {};
    const entries = kernel.readDirectory(folder).filter(({ name, type }) =>
      type === "directory" || name.endsWith(".tar")
    );
    for (const { name } of entries.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
      this.#abort.signal.throwIfAborted();
      const note = await this.#one(name, before[name]);
      if (!note) continue;
      after[name] = note;
      kernel.replaceFile(notes, JSON.stringify({ ...before, ...after }), 0o600);
    }
  }

  async #one(name: string, before: Note | undefined): Promise<Note | undefined> {
    const { logger, images, folder } = this.#options;
    const path = `${folder}/${name}`;
    try {
      const now = this.#state(path);
      const isSame = before?.size === now.size && before.changed === now.changed;
      if (isSame && before.images.every((id) => images.resolve(id))) return before;
      const imported: ImageRecord[] = await images.importLayout(path, undefined, { signal: this.#abort.signal });
      logger.info("images were imported", { path, images: imported.flatMap(({ repoTags }) => repoTags) });
      return { ...now, images: imported.map(({ id }) => id) };
    } catch (error) {
      this.#abort.signal.throwIfAborted();
      logger.error("an image cannot be imported", { path, reason: messageOf(error) });
      return undefined;
    }
  }

  /** A layout has changed when its index has. */
  #state(path: string): { size: number; changed: string } {
    const { kernel } = this.#options;
    const index = `${path}/index.json`;
    const { size, mtime } = kernel.stat(kernel.exists(index) ? index : path);
    return { size, changed: String(mtime) };
  }

  #readNotes(): Record<string, Note> {
    const { kernel, notes } = this.#options;
    if (!kernel.exists(notes)) return {};
    try {
      return JSON.parse(kernel.readText(notes, MAX_NOTES)) as Record<string, Note>;
    } catch {
      // Then everything is imported once more.
      return {};
    }
  }
}
