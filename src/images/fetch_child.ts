import { Code, messageOf } from "../rpc/status.ts";
import type { Kernel } from "../sys/mod.ts";
import { type ByteSource, SourceError } from "./byte_source.ts";
import { type FetchCommand, type FetchEvent, type FetchSource, LineSplitter } from "./child_events.ts";
import { FrameWriter } from "./frame_writer.ts";
import { DOCUMENT_STREAM, type DocumentRole } from "./frames.ts";
import { RegistrySource } from "./registry/registry_source.ts";
import { enterSandbox } from "./sandbox.ts";
import { sayLine } from "./say_line.ts";

/** Layers that are fetched side by side: one connection seldom fills a line to a registry. */
const PARALLEL_LAYERS = 3;
const PROGRESS_INTERVAL = 200;
/** The list of what is in an archive is the longest. */
const MAX_COMMAND = 64 << 20;

/**
 * `skiff __fetch`: gets what the daemon asks for on its standard input and writes it, as frames, to its standard output,
 * which is the parser's standard input. It never looks into what it carries, and keeps no permission but the network.
 */
export async function main(_args: string[]): Promise<number> {
  const commands = readCommands();
  try {
    const fetcher = new Fetcher(await openSource((await commands.next()).value as FetchSource));
    for await (const command of commands) await fetcher.run(command as FetchCommand);
    return 0;
  } catch (error) {
    // The parser, which ended too early then, says why.
    if (!(error instanceof Deno.errors.BrokenPipe)) report(failure(error));
    return 1;
  }
}

async function openSource(source: FetchSource): Promise<ByteSource> {
  if (source.kind === "registry") {
    enterSandbox(["net"]);
    return new RegistrySource(source);
  }
  // The one case in which a child has libc: the layout may be anywhere on the node, and is only copied from.
  const [{ kernel, O_DIRECTORY, O_RDONLY }, { LayoutSource }, { ArchiveSource }] = await Promise.all([
    import("../sys/mod.ts"),
    import("./layout_source.ts"),
    import("./transfer/archive_source.ts"),
  ]);
  const fd = openLayout(kernel, source.path, source.kind === "layout" ? O_DIRECTORY : O_RDONLY);
  enterSandbox();
  return source.kind === "layout"
    ? new LayoutSource(kernel, source.path, fd)
    : new ArchiveSource(kernel, source.path, fd, source.contents);
}

function openLayout(kernel: Kernel, path: string, flags: number): number {
  try {
    return kernel.open(path, flags);
  } catch (error) {
    throw new SourceError(Code.NOT_FOUND, `no OCI image layout can be read: ${messageOf(error)}`);
  }
}

class Fetcher {
  #source: ByteSource;
  #frames = new FrameWriter(Deno.stdout);
  #sent = 0;
  #reported = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  async run(command: FetchCommand): Promise<void> {
    switch (command.command) {
      case "manifest": {
        const { bytes, mediaType } = await this.#source.manifest(command.reference, command.limit);
        return await this.#document("manifest", mediaType, once(bytes));
      }
      case "config":
        return await this.#document("config", command.blob.mediaType, this.#source.blob(command.blob));
      case "layers":
        return await this.#layers(command.layers);
      case "lookaside": {
        const { lookasideSignatures } = await import("./trust/lookaside_client.ts");
        for await (const bytes of lookasideSignatures(command.folder, command)) {
          await this.#document("signature", "", once(bytes));
        }
        return await this.#absent();
      }
      case "attachment":
        return await this.#attachment(command.reference, command.limit);
      case "payload":
        return await this.#document("signature", command.blob.mediaType, this.#source.blob(command.blob));
    }
  }

  async #attachment(reference: string, limit: number): Promise<void> {
    let bytes: Uint8Array;
    try {
      ({ bytes } = await this.#source.manifest(reference, limit));
    } catch (error) {
      if (error instanceof SourceError && error.code === Code.NOT_FOUND) return await this.#absent();
      throw error;
    }
    await this.#document("attachment", "", once(bytes));
  }

  async #absent(): Promise<void> {
    await this.#frames.start(DOCUMENT_STREAM, { role: "absent", mediaType: "" });
    await this.#frames.end(DOCUMENT_STREAM);
  }

  async #document(role: DocumentRole, mediaType: string, parts: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#frames.start(DOCUMENT_STREAM, { role, mediaType });
    await this.#frames.data(DOCUMENT_STREAM, parts, () => {});
    await this.#frames.end(DOCUMENT_STREAM);
  }

  async #layers(layers: Extract<FetchCommand, { command: "layers" }>["layers"]): Promise<void> {
    const queue = layers.values();
    const worker = async () => {
      for (const { stream, blob, title } of queue) {
        const { size } = blob;
        await this.#frames.start(stream, title === undefined ? { role: "layer", size } : { role: "blob", size, title });
        await this.#frames.data(stream, this.#source.blob(blob), (bytes) => this.#progress(bytes));
        await this.#frames.end(stream);
      }
    };
    const timer = setInterval(() => this.#reportProgress(), PROGRESS_INTERVAL);
    try {
      await Promise.all(Array.from({ length: PARALLEL_LAYERS }, worker));
    } finally {
      clearInterval(timer);
      this.#reportProgress();
    }
  }

  #progress(bytes: number): void {
    this.#sent += bytes;
  }

  #reportProgress(): void {
    if (this.#sent === this.#reported) return;
    this.#reported = this.#sent;
    report({ event: "progress", bytes: this.#sent });
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Lines of standard input. Its end, at any time, is the daemon's end or wish: the process goes at once. */
async function* readCommands(): AsyncGenerator<unknown> {
  const queue: unknown[] = [];
  let wake = () => {};
  (async () => {
    const lines = new LineSplitter(MAX_COMMAND);
    for await (const bytes of Deno.stdin.readable) {
      for (const line of lines.push(bytes)) queue.push(JSON.parse(line));
      wake();
    }
    Deno.exit(0);
  })().catch(() => Deno.exit(1));
  for (;;) {
    while (queue.length > 0) yield queue.shift();
    await new Promise<void>((resolve) => wake = resolve);
  }
}

function failure(error: unknown): FetchEvent {
  if (error instanceof SourceError) return { event: "error", code: error.code, message: error.message };
  return { event: "error", code: Code.INTERNAL, message: error instanceof Error ? error.message : String(error) };
}

function report(event: FetchEvent): void {
  sayLine(Deno.stderr, event);
}
