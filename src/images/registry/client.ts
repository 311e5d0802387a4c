import type { Endpoint } from "../child_events.ts";
import { Authorizer } from "./authorizer.ts";
import { connectionFailure, speaksNoTls } from "./connection_failure.ts";
import { RegistryFailure } from "./failure.ts";
import { httpFailure, shownUrl, USER_AGENT } from "./http.ts";
import { Transport } from "./transport.ts";

const MAX_REDIRECTS = 10;
const MAX_LOGINS = 2;

/** One registry, or mirror, and one repository in it. */
export class RegistryClient {
  readonly endpoint: Endpoint;
  #base: URL;
  #repository: string;
  #authorizer: Authorizer;
  #transport: Transport;
  #query: string;
  /** False while it is not known whether an insecure registry speaks TLS. */
  #schemeKnown: boolean;

  constructor(endpoint: Endpoint, repository: string) {
    this.endpoint = endpoint;
    this.#base = new URL(endpoint.url);
    this.#repository = endpoint.repository ?? repository;
    this.#transport = new Transport(endpoint);
    this.#authorizer = this.#newAuthorizer();
    this.#query = endpoint.namespace === undefined ? "" : `?ns=${encodeURIComponent(endpoint.namespace)}`;
    this.#schemeKnown = !endpoint.insecure || this.#base.protocol === "http:";
  }

  /**
   * GET below /v2/<repository>/, once: logs in when asked to, and follows redirects, on which the Authorization header
   * stays at the registry's own origin.
   */
  async get(
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ response: Response; url: URL }> {
    if (!this.#schemeKnown) await this.#findScheme(signal);
    let url = new URL(
      `${this.#base.origin}${this.#base.pathname.replace(/\/$/, "")}/v2/${this.#repository}/${path}${this.#query}`,
    );
    let logins = 0;
    for (let redirects = 0; redirects <= MAX_REDIRECTS;) {
      const response = await this.#once(url, headers, signal);
      const location = response.headers.get("location");
      if (response.status === 401 && url.origin === this.#base.origin && logins++ < MAX_LOGINS) {
        const failure = await httpFailure("GET", url, response);
        if (await this.#authorizer.answer(response.headers.get("www-authenticate") ?? "", signal)) continue;
        throw failure;
      }
      if ([301, 302, 303, 307, 308].includes(response.status) && location !== null) {
        await response.body?.cancel();
        url = redirectTarget(location, url, this.endpoint);
        redirects++;
        continue;
      }
      if (response.ok) return { response, url };
      throw await httpFailure("GET", url, response);
    }
    throw new RegistryFailure(`GET ${shownUrl(url)}: more than ${MAX_REDIRECTS} redirects`, { retriable: false });
  }

  async #once(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    // A body that is compressed once more for the way would not have the digest that its descriptor promises.
    const all: Record<string, string> = { "user-agent": USER_AGENT, "accept-encoding": "identity", ...headers };
    const authorization = this.#authorizer.header;
    if (authorization !== undefined && url.origin === this.#base.origin) all.authorization = authorization;
    try {
      return await this.#transport.fetch(url, { headers: all, signal });
    } catch (cause) {
      throw connectionFailure(url, signal.aborted ? signal.reason : cause, this.endpoint);
    }
  }

  /** Plain HTTP only where nothing speaks TLS: a certificate that is wrong is told, not gone round. */
  async #findScheme(signal: AbortSignal): Promise<void> {
    const secure = new URL("/v2/", this.#base);
    const refusal = await this.#ping(secure, signal);
    if (refusal !== undefined) {
      if (signal.aborted || !speaksNoTls(refusal)) throw connectionFailure(secure, refusal, this.endpoint);
      const plain = new URL(secure);
      plain.protocol = "http:";
      const second = await this.#ping(plain, signal);
      // The server may be about to start: another attempt begins with TLS again.
      if (second !== undefined) throw connectionFailure(plain, second, this.endpoint);
      this.#base.protocol = "http:";
      this.#authorizer = this.#newAuthorizer();
    }
    this.#schemeKnown = true;
  }

  /** Why there was no answer, or nothing. */
  async #ping(url: URL, signal: AbortSignal): Promise<unknown> {
    try {
      const response = await this.#transport.fetch(url, { headers: { "user-agent": USER_AGENT }, signal });
      await response.body?.cancel();
      return undefined;
    } catch (cause) {
      return signal.aborted ? signal.reason : cause;
    }
  }

  #newAuthorizer(): Authorizer {
    return new Authorizer(this.#base, this.#repository, this.endpoint.auth, this.#transport);
  }
}

function redirectTarget(location: string, from: URL, { insecure }: Endpoint): URL {
  const url = URL.parse(location, from);
  if (from.protocol === "https:" && url?.protocol === "http:" && !insecure) {
    throw new RegistryFailure(`${shownUrl(from)} redirects to ${shownUrl(url)}, where nothing is encrypted`, {
      retriable: false,
    });
  }
  if (url && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new RegistryFailure(
    `${shownUrl(from)} redirects to ${JSON.stringify(location.slice(0, 200))}, which is no web address`,
    { retriable: false },
  );
}
