import { type ByteSource, SourceError } from "../byte_source.ts";
import type { FetchSource } from "../child_events.ts";
import type { Descriptor } from "../documents.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../media_types.ts";
import { RegistryClient } from "./client.ts";
import { RegistryFailure, summarize } from "./failure.ts";
import { boundedBytes, shownUrl } from "./http.ts";
import { Retries } from "./retries.ts";
import { StallGuard } from "./stall.ts";

/** Milliseconds that a mirror gets for a first answer while there is somewhere else to ask. */
const MIRROR_PATIENCE = 15_000;

const ACCEPT = [...INDEX_TYPES, ...MANIFEST_TYPES].join(", ");

/** A repository at a registry, with its mirrors before it. */
export class RegistrySource implements ByteSource {
  #clients: RegistryClient[];
  #stall: number;
  #name: string;

  constructor(source: Extract<FetchSource, { kind: "registry" }>) {
    this.#clients = source.endpoints.map((endpoint) => new RegistryClient(endpoint, source.repository));
    this.#stall = source.stallMilliseconds;
    this.#name = source.repository;
  }

  async manifest(reference: string, limit: number): Promise<{ bytes: Uint8Array; mediaType: string }> {
    return await this.#anywhere(
      `manifest ${reference} of ${this.#name}`,
      (client) =>
        retriesAt(client).run(async () => {
          using guard = this.#guard(client);
          const wanted = reference.includes(":") ? reference : client.endpoint.tag ?? reference;
          const { response, url } = await guard.wait(
            client.get(`manifests/${wanted}`, { accept: ACCEPT }, guard.signal),
          );
          const bytes = await guard.wait(
            bodyOf(url, guard.signal, boundedBytes(response, limit, "images.limits.manifestBytes")),
          );
          const mediaType = (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
          return { bytes, mediaType };
        }),
    );
  }

  /** A connection that breaks is taken up where it broke, on the next endpoint if need be. */
  async *blob(descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    const tried: { url: string; error: unknown }[] = [];
    let offset = 0;
    for (const client of [...this.#clients]) {
      try {
        const retries = retriesAt(client);
        while (offset < descriptor.size) {
          const before = offset;
          try {
            for await (const part of this.#connection(client, descriptor, offset)) {
              offset += part.length;
              yield part;
            }
          } catch (error) {
            if (offset > before) retries.progressed();
            await retries.pauseAfter(error);
          }
        }
        return;
      } catch (error) {
        tried.push({ url: client.endpoint.url, error });
      }
    }
    if (tried.length === 0) return;
    const { code, message } = summarize(`blob ${descriptor.digest} of ${this.#name}`, tried);
    throw new SourceError(code, message);
  }

  async *#connection(client: RegistryClient, descriptor: Descriptor, offset: number): AsyncGenerator<Uint8Array> {
    using guard = this.#guard(client);
    const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const { response, url } = await guard.wait(client.get(`blobs/${descriptor.digest}`, headers, guard.signal));
    if (!response.body) throw new RegistryFailure(`GET ${shownUrl(url)}: an answer without a body`);
    const reader = response.body.getReader();
    let position = 0;
    try {
      let skip = bytesToSkip(response, offset, url);
      position = offset - skip;
      for (;;) {
        const { done, value } = await guard.wait(bodyOf(url, guard.signal, reader.read()));
        if (done) break;
        position += value.length;
        if (position > descriptor.size) {
          throw new RegistryFailure(
            `GET ${shownUrl(url)}: more than the ${descriptor.size} bytes that the manifest promises`,
            { retriable: false },
          );
        }
        const part = skip === 0 ? value : value.subarray(Math.min(skip, value.length));
        skip -= Math.min(skip, value.length);
        if (part.length > 0) yield part;
      }
    } finally {
      // Also when the reader of this generator stops early.
      await reader.cancel().catch(() => {});
    }
    if (position < descriptor.size) {
      throw new RegistryFailure(`GET ${shownUrl(url)}: the answer ends after ${position} of ${descriptor.size} bytes`);
    }
  }

  #guard({ endpoint }: RegistryClient): StallGuard {
    const hurry = endpoint.mirrorOf !== undefined && this.#clients.at(-1)?.endpoint !== endpoint;
    return hurry && MIRROR_PATIENCE < this.#stall
      ? new StallGuard(MIRROR_PATIENCE, "a mirror has no more time")
      : new StallGuard(this.#stall);
  }

  async #anywhere<T>(what: string, attempt: (client: RegistryClient) => Promise<T>): Promise<T> {
    const tried: { url: string; error: unknown }[] = [];
    for (const client of [...this.#clients]) {
      try {
        const result = await attempt(client);
        // What comes next is most likely there, too; the ones before are not waited for again.
        this.#clients = [client, ...this.#clients.filter((other) => other !== client)];
        return result;
      } catch (error) {
        tried.push({ url: client.endpoint.url, error });
      }
    }
    const { code, message } = summarize(what, tried);
    throw new SourceError(code, message);
  }
}

/** The next endpoint is a better thing to try than the same mirror again. */
function retriesAt(client: RegistryClient): Retries {
  return new Retries(client.endpoint.mirrorOf === undefined ? undefined : 1);
}

async function bodyOf<T>(url: URL, signal: AbortSignal, body: Promise<T>): Promise<T> {
  try {
    return await body;
  } catch (cause) {
    if (cause instanceof RegistryFailure) throw cause;
    throw new RegistryFailure(`GET ${shownUrl(url)}: the connection broke`, {
      cause: signal.aborted ? signal.reason : cause,
    });
  }
}

/** A server may ignore Range and start from the beginning. */
function bytesToSkip(response: Response, offset: number, url: URL): number {
  if (offset === 0 || response.status === 200) return offset;
  const start = /^bytes ([0-9]+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (response.status === 206 && Number(start) === offset) return 0;
  throw new RegistryFailure(
    `GET ${shownUrl(url)}: asked for bytes from ${offset}, got those from ${start ?? "an unknown place"}`,
    { retriable: false },
  );
}
