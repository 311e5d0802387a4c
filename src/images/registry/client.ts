import type { Endpoint } from "../child_events.ts";
import { Authorizer } from "./authorizer.ts";
import { RegistryFailure } from "./failure.ts";
import { httpFailure, shownUrl, USER_AGENT } from "./http.ts";

const MAX_REDIRECTS = 10;
const MAX_LOGINS = 2;

/** One registry, or mirror, and one repository in it. */
export class RegistryClient {
  readonly endpoint: Endpoint;
  #base: URL;
  #repository: string;
  #authorizer: Authorizer;
  #query: string;

  constructor(endpoint: Endpoint, repository: string) {
    this.endpoint = endpoint;
    this.#base = new URL(endpoint.url);
    this.#repository = repository;
    this.#authorizer = new Authorizer(this.#base, repository, endpoint.auth);
    // What a mirror of several registries tells them apart by.
    this.#query = endpoint.mirrorOf === undefined ? "" : `?ns=${encodeURIComponent(endpoint.mirrorOf)}`;
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
        url = redirectTarget(location, url);
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
      return await fetch(url, { headers: all, redirect: "manual", signal });
    } catch (cause) {
      throw connectionFailure(url, signal.aborted ? signal.reason : cause);
    }
  }
}

/** Mistakes in a setup, told by what TLS says, are not worth another attempt. */
function connectionFailure(url: URL, cause: unknown): RegistryFailure {
  const text = String(cause);
  const failed = (reason: string) =>
    new RegistryFailure(`GET ${shownUrl(url)}: ${reason}`, { retriable: false, cause });
  if (text.includes("peer certificate")) {
    return failed("its certificate is not trusted; add the authority that signed it to this node's certificates");
  }
  if (text.includes("InvalidContentType")) {
    return failed(
      `it does not speak TLS; if that is as it should be, set images.registries."${url.host}".plainHttp: true`,
    );
  }
  return new RegistryFailure(`GET ${shownUrl(url)}: no answer`, { cause });
}

function redirectTarget(location: string, from: URL): URL {
  const url = URL.parse(location, from);
  if (url && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new RegistryFailure(
    `${shownUrl(from)} redirects to ${JSON.stringify(location.slice(0, 200))}, which is no web address`,
    { retriable: false },
  );
}
