import type { Config } from "../../config/types.ts";
import type { Logger } from "../../observe/types.ts";
import { messageOf } from "../../rpc/status.ts";
import {
  type AsyncFd,
  asyncFd,
  type Child,
  type Kernel,
  pipe,
  type Programs,
  selfCommand,
  SIGKILL,
} from "../../sys/mod.ts";
import { childEnvironment } from "../child_environment.ts";
import { LineSplitter } from "../child_events.ts";
import { type LayerFiles, plainImage } from "../transfer/export_plan.ts";
import type { ImageRecord } from "../types.ts";
import type { ServeCommand, ServedImage, ServeEvent, ServeTask } from "./types.ts";

export interface ImageServerOptions {
  kernel: Kernel;
  programs: Programs;
  logger: Logger;
  config: Config["images"]["serve"];
  layers: LayerFiles;
  list: () => ImageRecord[];
  /** See {@link ImageServiceOptions}. */
  setAside?: (pid: number) => Promise<void>;
}

const PEM_MAX = 1 << 20;
const MAX_LINE = 1 << 16;
const CHILD_NICE = 5;
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
      let timer = 0;
      await Promise.race([this.#stopped.promise, new Promise((resolve) => timer = setTimeout(resolve, pause))]);
      clearTimeout(timer);
    }
  }

  /** Until the process ends. Returns why it did. */
  async #run(): Promise<string> {
    const { kernel, programs, list, setAside } = this.#options;
    const task = this.#task();
    const [input, events] = [pipe(), pipe()];
    const [program, ...args] = selfCommand("__images");
    try {
      this.#child = programs.spawn(program, args, {
        env: childEnvironment(kernel, { network: false }),
        fds: { 0: input.read, 2: events.write },
      });
    } catch (error) {
      for (const end of [input.write, events.read]) kernel.close(end);
      throw error;
    } finally {
      for (const end of [input.read, events.write]) kernel.close(end);
    }
    const child = this.#child;
    kernel.setPriority(child.pid, CHILD_NICE);
    setAside?.(child.pid).catch(() => {});
    this.#commands = asyncFd(input.write);
    this.#send(task);
    for (const image of list()) this.changed(image.id, image);
    const lines = asyncFd(events.read);
    let reason = "";
    try {
      const splitter = new LineSplitter(MAX_LINE);
      const buffer = new Uint8Array(1 << 12);
      for (let count = await lines.read(buffer); count !== null; count = await lines.read(buffer)) {
        for (const line of splitter.push(buffer.subarray(0, count))) reason = this.#heard(line) ?? reason;
      }
      const { code, signal } = await child.status;
      return reason || (signal === 0 ? `exit code ${code}` : `signal ${signal}`);
    } finally {
      this.#commands.close();
      this.#commands = undefined;
      lines.close();
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
    const { kernel, config: { address, tlsCertFile, tlsKeyFile } } = this.#options;
    const colon = address.lastIndexOf(":");
    const hostname = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    const task: ServeTask = { hostname, port: Number(address.slice(colon + 1)) };
    if (tlsCertFile === "") return task;
    return { ...task, tls: { cert: kernel.readText(tlsCertFile, PEM_MAX), key: kernel.readText(tlsKeyFile, PEM_MAX) } };
  }

  /** Undefined for what cannot be served. */
  #served(image: ImageRecord): ServedImage | undefined {
    try {
      const { manifest, config, layers } = plainImage(image, this.#options.layers);
      const tags = image.repoTags.map((name) => {
        const colon = name.lastIndexOf(":");
        return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
      });
      const digests = image.repoDigests.map((name) => name.slice(0, name.lastIndexOf("@")));
      return {
        id: image.id,
        repositories: [...new Set([...tags.map(({ repository }) => repository), ...digests])],
        tags,
        manifest: manifest.toBase64(),
        config: config.toBase64(),
        layers: layers.map(({ diffId, file, offset, size }) => ({ digest: diffId, file, offset, size })),
      };
    } catch (error) {
      this.#options.logger.warn("an image cannot be served", { image: image.id, reason: messageOf(error) });
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
