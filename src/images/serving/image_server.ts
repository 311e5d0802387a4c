import type { Config } from "../../config/types.ts";
import type { Logger } from "../../observe/types.ts";
import { messageOf } from "../../rpc/status.ts";
import { type AsyncFd, type Child, type Kernel, type Programs, readKeyPair, SIGKILL, within } from "../../sys/mod.ts";
import { linesOf, startChild } from "../child_start.ts";
import type { LayerFiles } from "../transfer/export_plan.ts";
import type { ImageRecord } from "../types.ts";
import { type BlobFiles, servedImage } from "./served_image.ts";
import type { ServeCommand, ServedImage, ServeEvent, ServeTask } from "./types.ts";

export interface ImageServerOptions {
  kernel: Kernel;
  programs: Programs;
  logger: Logger;
  config: Config["images"]["serve"];
  layers: LayerFiles;
  blobs: BlobFiles;
  list: () => ImageRecord[];
  /** See {@link ImageServiceOptions}. */
  setAside?: (pid: number) => Promise<void>;
}

const MAX_LINE = 1 << 16;
/** Milliseconds until a process that ended is started again: twice as long each time, unless it had run for the longest. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [1_000, 60_000];

/** Keeps the process that serves this node's images to others, and tells it of every change. */
export class ImageServer implements AsyncDisposable {
  #options: ImageServerOptions;
  #child: Child | undefined;
  #commands: AsyncFd | undefined;
  #sent = Promise.resolve();
  #stopped = Promise.withResolvers<void>();
  #isStopped = false;
  #life: Promise<void>;

  constructor(options: ImageServerOptions) {
    this.#options = options;
    this.#life = this.#keep();
  }

  /** @param image undefined when it is not here any more. */
  changed(id: string, image: ImageRecord | undefined): void {
    const served = image && this.#served(image);
    this.#send(served ? { put: served } : { remove: id });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#stopped.resolve();
    this.#child?.kill(SIGKILL);
    await this.#life;
  }

  async #keep(): Promise<void> {
    const { logger, config } = this.#options;
    for (let pause = FIRST_PAUSE; !this.#isStopped; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      const began = performance.now();
      const reason = await this.#run().catch(messageOf);
      if (this.#isStopped) return;
      if (performance.now() - began > LONGEST_PAUSE) pause = FIRST_PAUSE;
      logger.error("images are not served now; it is tried again", {
        address: config.address,
        reason,
        milliseconds: pause,
      });
      await within(pause, this.#stopped.promise);
    }
  }

  /** Until the process ends. Returns why it did. */
  async #run(): Promise<string> {
    const { kernel, programs, list, setAside } = this.#options;
    const task = this.#task();
    const { child, input, events } = startChild(kernel, programs, "__images");
    this.#child = child;
    setAside?.(child.pid).catch(() => {});
    this.#commands = input;
    this.#send(task);
    for (const image of list()) this.changed(image.id, image);
    let reason = "";
    try {
      for await (const lines of linesOf(events, MAX_LINE)) {
        for (const line of lines) reason = this.#heard(line) ?? reason;
      }
      const { code, signal } = await child.status;
      return reason || (signal === 0 ? `exit code ${code}` : `signal ${signal}`);
    } finally {
      this.#commands = undefined;
      input.close();
      events.close();
      child.kill(SIGKILL);
      await child.status;
    }
  }

  /** Returns why the process cannot go on, if it says so. */
  #heard(line: string): string | undefined {
    const { logger, config } = this.#options;
    if (!line.startsWith("{")) return line;
    const event = JSON.parse(line) as ServeEvent;
    if (event.event === "error") return event.message;
    if (event.event === "listening") logger.info("images of this node are served", { address: config.address });
    else {
      logger.error("a layer is damaged and was not served; skiff check --deep --repair drops it", {
        diffId: event.digest,
        file: event.file,
      });
    }
    return undefined;
  }

  #task(): ServeTask {
    const { kernel, config } = this.#options;
    const { address } = config;
    const colon = address.lastIndexOf(":");
    const hostname = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    return { hostname, port: Number(address.slice(colon + 1)), tls: readKeyPair(kernel, config) };
  }

  /** Undefined for what cannot be served. */
  #served(image: ImageRecord): ServedImage | undefined {
    const { layers, blobs, logger } = this.#options;
    try {
      return servedImage(image, layers, blobs);
    } catch (error) {
      logger.warn("an image cannot be served", { image: image.id, reason: messageOf(error) });
      return undefined;
    }
  }

  #send(line: ServeTask | ServeCommand): void {
    const commands = this.#commands;
    if (!commands) return;
    const bytes = new TextEncoder().encode(JSON.stringify(line) + "\n");
    // Of a process that is gone somebody else hears.
    this.#sent = this.#sent.then(() => commands.write(bytes)).catch(() => {});
  }
}
