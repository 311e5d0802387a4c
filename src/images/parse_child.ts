import { Buffer } from "node:buffer";
import type { ParseEvent, ParseTask } from "./child_events.ts";
import { sha256Digest } from "./digest.ts";
import { parseManifest } from "./documents.ts";
import {
  DOCUMENT_STREAM,
  type Frame,
  FrameKind,
  FrameReader,
  MAX_SLOTS,
  type StreamStart,
  TruncatedFrames,
} from "./frames.ts";
import { parseImageConfig } from "./image_config.ts";
import { BlobWriter } from "./layer/blob_writer.ts";
import { FileOutput } from "./layer/file_output.ts";
import { LayerWriter } from "./layer/layer_writer.ts";
import { selectPlatform } from "./platform.ts";
import { enterSandbox } from "./sandbox.ts";
import { blobPartName, partName } from "./staging.ts";
import { parseAttachments } from "./trust/attachment.ts";
import { sayLine } from "./say_line.ts";

/**
 * `skiff __parse`: reads manifests, configs and layers from its standard input and writes layer images. It opens its
 * files, gives up every permission, and only then reads: nothing that it parses can make it do more than write these files
 * and speak to the daemon.
 */
export async function main([argument]: string[]): Promise<number> {
  const task = JSON.parse(argument) as ParseTask;
  const files = Array.from({ length: MAX_SLOTS }, (_, stream) => openNew(`${task.staging}/${partName(stream)}`));
  const blobs = task.keepBlobs ? files.map((_, stream) => openNew(`${task.staging}/${blobPartName(stream)}`)) : [];
  enterSandbox();
  return await new Parser(task, files, blobs).run();
}

function openNew(path: string): Deno.FsFile {
  return Deno.openSync(path, { read: true, write: true, createNew: true, mode: 0o600 });
}

class Parser {
  #task: ParseTask;
  #files: Deno.FsFile[];
  /** For layers as they come; none where they are not kept. */
  #blobs: Deno.FsFile[];
  #syncs: Promise<void>[] = [];
  #layers = new Map<number, LayerWriter | BlobWriter>();
  /** The layer whose frame is being worked on. */
  #current: number | undefined;
  #document: { start: Extract<StreamStart, { mediaType: string }>; parts: Uint8Array[]; length: number } | undefined;

  constructor(task: ParseTask, files: Deno.FsFile[], blobs: Deno.FsFile[]) {
    this.#task = task;
    this.#files = files;
    this.#blobs = blobs;
  }

  async run(): Promise<number> {
    try {
      const isWhole = await this.#readAll();
      // An error of the disk is told once, to whoever asks first: that is us, not the daemon.
      await Promise.all(this.#syncs);
      // The fetcher, which ended too early then, says why.
      return isWhole ? 0 : 1;
    } catch (error) {
      report({ event: "error", message: describe(error), stream: this.#current });
      return 1;
    }
  }

  /** False where the frames end in the middle of something. */
  async #readAll(): Promise<boolean> {
    const frames = new FrameReader((into) => Deno.stdin.readSync(into));
    try {
      for (let frame = frames.next(); frame !== null; frame = frames.next()) await this.#take(frame);
      return this.#layers.size === 0 && !this.#document;
    } catch (error) {
      if (error instanceof TruncatedFrames) return false;
      throw error;
    }
  }

  async #take({ kind, stream, payload }: Frame): Promise<void> {
    this.#current = undefined;
    if (kind === FrameKind.START) this.#start(stream, JSON.parse(new TextDecoder().decode(payload)));
    else if (kind === FrameKind.ABORT) throw new Error("the download was given up");
    else if (stream === DOCUMENT_STREAM) this.#documentFrame(kind, payload);
    else await this.#layerFrame(kind, stream, payload);
  }

  #start(stream: number, start: StreamStart): void {
    if (start.role !== "layer" && start.role !== "blob") {
      this.#document = { start, parts: [], length: 0 };
      return;
    }
    if (this.#layers.has(stream)) throw new Error(`stream ${stream} is started twice`);
    const output = new FileOutput(this.#files[stream]);
    const { limits } = this.#task;
    const writer = start.role === "blob"
      ? new BlobWriter(output, start.title, limits)
      : new LayerWriter(output, limits);
    this.#layers.set(stream, writer);
  }

  async #layerFrame(kind: FrameKind, stream: number, payload: Uint8Array): Promise<void> {
    const layer = this.#layers.get(stream);
    if (!layer) throw new Error(`stream ${stream} was not started`);
    this.#current = stream;
    try {
      const blob = layer instanceof LayerWriter ? this.#blobs[stream] : undefined;
      if (kind === FrameKind.DATA) {
        for (let done = 0; blob && done < payload.length;) done += blob.writeSync(payload.subarray(done));
        return await layer.write(payload);
      }
      const written = await layer.end();
      this.#layers.delete(stream);
      const file = this.#files[stream];
      file.truncateSync(written.length);
      // The daemon syncs again once this process is gone; the disk works meanwhile, beside the next layers.
      for (const synced of [file.syncData(), blob?.syncData()]) {
        synced?.catch(() => {});
        if (synced) this.#syncs.push(synced);
      }
      report({ event: "layer", stream, ...written });
    } catch (error) {
      layer.close();
      throw error;
    }
  }

  #documentFrame(kind: FrameKind, payload: Uint8Array): void {
    const document = this.#document;
    if (!document) throw new Error("a document was not started");
    if (kind === FrameKind.DATA) {
      document.length += payload.length;
      const limit = this.#task.limits.documentBytes;
      if (document.length > limit) {
        throw new Error(`the ${document.start.role} is over ${limit} bytes (images.limits.manifestBytes)`);
      }
      document.parts.push(payload.slice());
      return;
    }
    this.#document = undefined;
    const bytes = Buffer.concat(document.parts);
    const digest = sha256Digest(bytes);
    switch (document.start.role) {
      case "config":
        return this.#config(bytes, digest);
      case "manifest":
        return this.#manifest(bytes, digest, document.start.mediaType);
      case "signature":
        return report({ event: "signature", digest, data: bytes.toBase64() });
      case "attachment":
        return report({ event: "attachment", attachments: parseAttachments(bytes) });
      case "absent":
        return report({ event: "absent" });
    }
  }

  #manifest(bytes: Uint8Array, digest: string, contentType: string): void {
    const document = within(`manifest ${digest}`, () => parseManifest(bytes, contentType, this.#task.limits.layers));
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    const { mediaType } = document;
    const kept = this.#task.keepBlobs ? { mediaType, text } : {};
    if (document.kind === "manifest") {
      const { config, layers } = document;
      report({ event: "manifest", digest, size: bytes.length, config, layers, ...kept });
      return;
    }
    if (document.kind === "artifact") {
      const { type, blobs } = document;
      report({ event: "artifact", digest, type, blobs, text });
      return;
    }
    const chosen = selectPlatform(document.manifests, this.#task.platform) ?? null;
    report({ event: "index", digest, manifests: document.manifests, chosen, ...kept });
  }

  #config(bytes: Uint8Array, digest: string): void {
    const config = within(`config ${digest}`, () => parseImageConfig(bytes, this.#task.limits.layers));
    report({ event: "config", digest, config, text: new TextDecoder().decode(bytes) });
  }
}

function within<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new Error(`cannot use the ${what}`, { cause });
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

function report(event: ParseEvent): void {
  sayLine(Deno.stdout, event);
}
