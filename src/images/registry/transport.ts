import { Code } from "../../rpc/status.ts";
import type { Endpoint } from "../child_events.ts";
import { RegistryFailure } from "./failure.ts";

/**
 * Requests for one endpoint. Its authorities are trusted for it and for where it sends us (token servers, storage); its
 * client certificate is shown to its own host only. Nothing here follows a redirect: that would carry credentials along.
 */
export class Transport {
  #host: string;
  #name: string;
  #tls: Endpoint["tls"];
  #own: Deno.HttpClient | undefined;
  #elsewhere: Deno.HttpClient | undefined;

  constructor({ url, host, tls }: Endpoint) {
    this.#host = new URL(url).host;
    this.#name = host ?? this.#host;
    this.#tls = tls;
  }

  async fetch(url: URL, init: RequestInit): Promise<Response> {
    return await fetch(url, { ...init, redirect: "manual", client: this.#client(url) });
  }

  #client(url: URL): Deno.HttpClient | undefined {
    const tls = this.#tls;
    if (!tls || url.protocol !== "https:") return undefined;
    const { caCerts, cert, key } = tls;
    if (url.host === this.#host && cert !== undefined && key !== undefined) {
      return this.#own ??= this.#open({ caCerts, cert, key });
    }
    return caCerts.length === 0 ? undefined : this.#elsewhere ??= this.#open({ caCerts });
  }

  #open(options: Deno.CreateHttpClientOptions & Partial<Deno.TlsCertifiedKeyPem>): Deno.HttpClient {
    try {
      return Deno.createHttpClient(options as Deno.CreateHttpClientOptions);
    } catch (cause) {
      throw new RegistryFailure(`the certificates that this node has for ${this.#name} cannot be used`, {
        cause,
        retriable: false,
        code: Code.FAILED_PRECONDITION,
      });
    }
  }
}
