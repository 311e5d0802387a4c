import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import {
  type Kernel,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_WRONLY,
  type Programs,
  S_IFIFO,
  S_IFMT,
} from "../../sys/mod.ts";
import type { LayerStore } from "../layer_store.ts";
import { runTask, TaskFailure } from "../task_child.ts";
import type { ImageRecord } from "../types.ts";
import { type ExportedImage, layerEntry, type LayerFiles, planExport } from "./export_plan.ts";
import type { ExportEvent, ExportTask, LayerEntry } from "./types.ts";

export interface ExportTarget {
  /** Absolute: of a file or folder that is not there yet, or of a fifo. */
  path: string;
  folder: boolean;
}

export interface ExportOptions {
  signal?: AbortSignal;
  onProgress?: (progress: { bytesDone: number; bytesTotal: number }) => void;
}

const MAX_LINE = 1 << 20;
/** Milliseconds for the reader of a fifo to open it. */
const READER_TIMEOUT = 5_000;

/** The images that names stand for, each once; one that is named by ID goes under all its names. @throws {RpcError} NOT_FOUND */
export function selectImages(names: string[], resolve: (name: string) => ImageRecord | undefined): ExportedImage[] {
  if (names.length === 0) throw new RpcError(Code.INVALID_ARGUMENT, "no image is named");
  const selected = new Map<string, ExportedImage>();
  for (const name of names) {
    const image = resolve(name);
    if (!image) throw new RpcError(Code.NOT_FOUND, `there is no image ${JSON.stringify(name)} on this node`);
    const isNamed = image.repoTags.filter((tag) =>
      tag === name || tag.endsWith(`/${name}`) || tag === `${name}:latest`
    );
    const before = selected.get(image.id)?.names ?? [];
    const under = isNamed.length === 1 ? isNamed : image.repoTags;
    selected.set(image.id, { image, names: [...new Set([...before, ...under])] });
  }
  return [...selected.values()];
}

/** Writes images of this node where other tools, and other nodes, can take them from. */
export class Exporter {
  #kernel: Kernel;
  #programs: Programs;
  #layers: LayerStore;

  constructor(options: { kernel: Kernel; programs: Programs; layers: LayerStore }) {
    this.#kernel = options.kernel;
    this.#programs = options.programs;
    this.#layers = options.layers;
  }

  /** A failure leaves nothing of a file or folder that this has made. @throws {RpcError} */
  async export(images: ExportedImage[], target: ExportTarget, options: ExportOptions): Promise<void> {
    const entries = planExport(images, this.#layers);
    using _hold = this.#layers.hold(images.flatMap(({ image }) => image.layers));
    const bytesTotal = entries.reduce((sum, entry) => sum + ("file" in entry ? entry.size : 0), 0);
    await using made = new AsyncDisposableStack();
    const task: ExportTask = { folder: "", entries };
    let output: number | undefined;
    if (target.folder) {
      this.#makeFolder(target.path);
      made.defer(() => this.#kernel.removeTree(target.path));
      task.folder = target.path;
    } else {
      const { fd, isNew } = await this.#openOutput(target.path, options.signal);
      output = fd;
      if (isNew) made.defer(() => this.#kernel.unlinkIfExists(target.path));
    }
    // Who reads from a fifo may begin: from now on it has a writer.
    options.onProgress?.({ bytesDone: 0, bytesTotal });
    try {
      await this.#run(task, output, {
        ...options,
        onBytes: (bytesDone) => options.onProgress?.({ bytesDone, bytesTotal }),
      });
      if (output !== undefined && !this.#isFifo(output)) await this.#kernel.fsync(output);
    } finally {
      if (output !== undefined) this.#kernel.close(output);
    }
    made.move();
  }

  /** Reads the whole of a layer, in a process of its own, and compares it with its digest. */
  isIntact(diffId: string, layers: LayerFiles, signal?: AbortSignal): Promise<boolean> {
    return this.isEntryIntact(layerEntry(diffId, layers), signal);
  }

  /** As {@link isIntact}, of any blob in a file. */
  async isEntryIntact(entry: LayerEntry, signal?: AbortSignal): Promise<boolean> {
    const nowhere = this.#kernel.open("/dev/null", O_WRONLY);
    try {
      await this.#run({ folder: "", entries: [entry] }, nowhere, { signal, onBytes: () => {} });
      return true;
    } catch (error) {
      if (messageOf(error).includes("is damaged")) return false;
      throw error;
    } finally {
      this.#kernel.close(nowhere);
    }
  }

  #makeFolder(path: string): void {
    try {
      this.#kernel.mkdir(path, 0o755);
    } catch (error) {
      throw new RpcError(Code.FAILED_PRECONDITION, `cannot make the folder for the export: ${messageOf(error)}`);
    }
  }

  async #openOutput(path: string, signal: AbortSignal | undefined): Promise<{ fd: number; isNew: boolean }> {
    const kernel = this.#kernel;
    try {
      if (!kernel.exists(path)) {
        return { fd: kernel.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600), isNew: true };
      }
      if ((kernel.lstat(path).mode & S_IFMT) === S_IFIFO) {
        return { fd: await this.#openFifo(path, signal), isNew: false };
      }
    } catch (error) {
      if (error instanceof RpcError) throw error;
      throw new RpcError(Code.FAILED_PRECONDITION, `cannot write the export: ${messageOf(error)}`);
    }
    throw new RpcError(Code.ALREADY_EXISTS, `${path} is there already; remove it, or give another name`);
  }

  /** To open a fifo waits for its reader, which the one thread must not do. */
  async #openFifo(path: string, signal: AbortSignal | undefined): Promise<number> {
    const deadline = Date.now() + READER_TIMEOUT;
    for (;;) {
      signal?.throwIfAborted();
      try {
        const ready = this.#kernel.open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
        try {
          // With a reader there, it does not wait, and neither do writes fail that have to.
          return this.#kernel.open(`/proc/self/fd/${ready}`, O_WRONLY);
        } finally {
          this.#kernel.close(ready);
        }
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  #isFifo(fd: number): boolean {
    return (this.#kernel.fstat(fd).mode & S_IFMT) === S_IFIFO;
  }

  async #run(
    task: ExportTask,
    output: number | undefined,
    { signal, onBytes }: { signal?: AbortSignal; onBytes: (bytes: number) => void },
  ): Promise<void> {
    const onEvent = ({ bytes }: { bytes: number }) => onBytes(bytes);
    const options = { task, output, maxLine: MAX_LINE, onEvent, signal };
    await runTask<ExportEvent>(this.#kernel, this.#programs, "__export", options).catch((error) => {
      throw error instanceof TaskFailure ? new RpcError(Code.INTERNAL, `the export failed: ${error.message}`) : error;
    });
  }
}
