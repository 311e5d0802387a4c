import type { Kernel } from "../sys/mod.ts";
import { messageOf } from "../rpc/status.ts";
import { type Conflist, MAX_CONFLIST_BYTES, parseNetworkFile } from "./conflist.ts";

const SUFFIXES = [".conflist", ".conf", ".json"];
const MAX_FILES = 1000;
/** A file changed this recently may change again within the same clock tick, with nothing in its stat to tell. */
const SETTLED_AFTER_NANOSECONDS = 1_000_000_000n;

export interface FolderState {
  /** The first valid file by name. */
  network?: { file: string; conflist: Conflist };
  /** Files (or the folder itself) that cannot be used, and why. */
  problems: { file: string; reason: string }[];
}

/** The CNI configuration folder, read again only when a file in it is new, gone or changed. */
export class ConfigFolder {
  #kernel: Kernel;
  #path: string;
  #fingerprint: string | undefined;
  #state: FolderState = { problems: [] };

  constructor(kernel: Kernel, path: string) {
    this.#kernel = kernel;
    this.#path = path;
  }

  /** What the folder says now. The same object as last time if nothing changed. */
  read(): FolderState {
    let names: string[];
    try {
      names = this.#names();
    } catch (error) {
      const reason = messageOf(error);
      if (this.#fingerprint === reason) return this.#state;
      this.#fingerprint = reason;
      return this.#state = { problems: [{ file: this.#path, reason }] };
    }
    const { fingerprint, settled } = this.#look(names);
    if (fingerprint === this.#fingerprint) return this.#state;
    this.#fingerprint = settled ? fingerprint : undefined;
    return this.#replace(this.#load(names));
  }

  #names(): string[] {
    if (!this.#kernel.exists(this.#path)) return [];
    return this.#kernel.readDirectory(this.#path, MAX_FILES)
      .filter(({ name, type }) =>
        type !== "directory" && !name.startsWith(".") && SUFFIXES.some((suffix) => name.endsWith(suffix))
      )
      .map(({ name }) => name)
      .sort();
  }

  #look(names: string[]): { fingerprint: string; settled: boolean } {
    const parts: string[] = [];
    let newest = 0n;
    for (const name of names) {
      try {
        const { dev, ino, size, mtime, ctime } = this.#kernel.stat(`${this.#path}/${name}`);
        parts.push(`${name}\0${dev}:${ino}:${size}:${mtime}:${ctime}`);
        if (ctime > newest) newest = ctime;
      } catch (error) {
        parts.push(`${name}\0${messageOf(error)}`);
      }
    }
    const settled = BigInt(Date.now()) * 1_000_000n - newest > SETTLED_AFTER_NANOSECONDS;
    return { fingerprint: parts.join("\n"), settled };
  }

  #load(names: string[]): FolderState {
    const state: FolderState = { problems: [] };
    for (const file of names) {
      try {
        const text = this.#kernel.readText(`${this.#path}/${file}`, MAX_CONFLIST_BYTES);
        state.network = { file, conflist: parseNetworkFile(file, text) };
        break;
      } catch (error) {
        state.problems.push({ file, reason: messageOf(error) });
      }
    }
    return state;
  }

  #replace(state: FolderState): FolderState {
    // Files are read once more after they settled: the same content must not look like a change.
    if (JSON.stringify(state) !== JSON.stringify(this.#state)) this.#state = state;
    return this.#state;
  }
}
