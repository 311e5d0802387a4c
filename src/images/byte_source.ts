import type { Descriptor } from "./documents.ts";

/** Where an image's bytes come from. Nothing is checked here but sizes: digests are the parser's. */
export interface ByteSource {
  /** A manifest by tag or digest, at most `limit` bytes, with what the source calls its media type. */
  manifest(reference: string, limit: number): Promise<{ bytes: Uint8Array; mediaType: string }>;
  /** Exactly as many bytes as the descriptor says. */
  blob(descriptor: Descriptor): AsyncIterable<Uint8Array>;
}

/** What made a source give up, as the daemon is to be told. */
export class SourceError extends Error {
  constructor(readonly code: number, message: string) {
    super(message);
  }
}
