/** Lines of JSON between the daemon and its two children. Types only, and what reads the lines. */
import type { Descriptor, IndexEntry } from "./documents.ts";
import type { WrittenLayer } from "./layer/layer_writer.ts";
import type { ImageConfig } from "./image_config.ts";
import type { Platform } from "./platform.ts";
import type { ArchiveContents } from "./transfer/types.ts";
import type { Attachment } from "./trust/attachment.ts";
import type { RegistryAuth } from "./types.ts";
import type { Code } from "../rpc/status.ts";

/** The one argument of `skiff __parse`. */
export interface ParseTask {
  /** Folder for `layer-<stream>.part`. */
  staging: string;
  /** Layers are also written as they come, to `blob-<stream>.part`, and the text of manifests is reported. */
  keepBlobs: boolean;
  platform: Platform;
  limits: { layers: number; entries: number; inflatedBytes: number; documentBytes: number };
}

interface ReportedText {
  /** With {@link ParseTask.keepBlobs}. */
  mediaType?: string;
  text?: string;
}

/** What the parse child reports on its standard output. Digests are computed, not repeated. */
export type ParseEvent =
  | ({ event: "index"; digest: string; manifests: IndexEntry[]; chosen: Descriptor | null } & ReportedText)
  | ({ event: "manifest"; digest: string; size: number; config: Descriptor; layers: Descriptor[] } & ReportedText)
  | { event: "artifact"; digest: string; type: string; blobs: { title: string; blob: Descriptor }[]; text: string }
  | { event: "config"; digest: string; config: ImageConfig; text: string }
  | ({ event: "layer"; stream: number } & WrittenLayer)
  /** A signature, or the payload of one, in base64. */
  | { event: "signature"; digest: string; data: string }
  | { event: "attachment"; attachments: Attachment[] }
  /** There is no attachment, or no further signature. */
  | { event: "absent" }
  /** `stream` is the layer that could not be used. */
  | { event: "error"; message: string; stream?: number };

/** Where and how the fetch child gets its bytes: the first line on its standard input. */
export type FetchSource =
  | {
    kind: "registry";
    repository: string;
    /** Tried in this order. */
    endpoints: Endpoint[];
    stallMilliseconds: number;
  }
  | { kind: "layout"; path: string }
  /** A tar of such a layout, or of `docker save`. */
  | { kind: "archive"; path: string; contents: ArchiveContents };

export interface Endpoint {
  /** http(s)://host[:port][/path] */
  url: string;
  /** The registry that a mirror stands for. */
  mirrorOf?: string;
  /** Sent as the query `ns`, by which a mirror of several registries tells them apart. */
  namespace?: string;
  /** Where it is not the source's: the name was rewritten. */
  repository?: string;
  tag?: string;
  /** As image names call it, where that is not the host of the URL. */
  host?: string;
  /** The URL is https, but where TLS is not spoken at all, http will do. */
  insecure?: boolean;
  auth?: RegistryAuth;
  tls?: {
    /** PEM, besides what the node trusts. */
    caCerts: string[];
    /** PEM: shown to the endpoint's own host only. */
    cert?: string;
    key?: string;
  };
}

export type FetchCommand =
  /** A manifest by tag or digest; of a layout, "" is its index. */
  | { command: "manifest"; reference: string; limit: number }
  | { command: "config"; blob: Descriptor }
  /** With a `title`, "" too, it is a blob of an artifact and no tar. */
  | { command: "layers"; layers: { stream: number; blob: Descriptor; title?: string }[] }
  /** The files signature-1, signature-2 … in a folder of a web server. */
  | { command: "lookaside"; folder: string; limit: number; count: number }
  /** The manifest under which cosign keeps signatures; need not be there. */
  | { command: "attachment"; reference: string; limit: number }
  /** What a signature was made over. */
  | { command: "payload"; blob: Descriptor };

/** What the fetch child reports on its standard error. */
export type FetchEvent =
  /** Bytes of layers written so far, all streams together. */
  | { event: "progress"; bytes: number }
  | { event: "error"; code: Code; message: string };

/** Cuts text into lines of at most `limit` characters. */
export class LineSplitter {
  #limit: number;
  #decoder = new TextDecoder();
  #rest = "";

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(bytes: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop()!;
    if (this.#rest.length > this.#limit) throw new Error(`a line is longer than ${this.#limit} characters`);
    return lines.filter((line) => line !== "");
  }

  /** What came after the last newline. */
  rest(): string {
    return this.#rest;
  }
}
