import { encodeBase64 } from "./base64.ts";
import type { RegistryAuth } from "../types.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { RegistryFailure } from "./failure.ts";
import { boundedText, httpFailure, shownUrl, USER_AGENT } from "./http.ts";
import type { Transport } from "./transport.ts";

const MAX_TOKEN_RESPONSE = 1 << 20;

/**
 * Answers a registry's challenges. Credentials go to the registry's own origin and to the token server that it names,
 * never in clear text when the registry itself is spoken to over TLS.
 * https://distribution.github.io/distribution/spec/auth/token/
 */
export class Authorizer {
  #origin: URL;
  #repository: string;
  #auth: RegistryAuth;
  #transport: Pick<Transport, "fetch">;
  #header: string | undefined;

  constructor(
    origin: URL,
    repository: string,
    auth: RegistryAuth | undefined,
    transport: Pick<Transport, "fetch"> = { fetch },
  ) {
    this.#origin = origin;
    this.#transport = transport;
    this.#repository = repository;
    this.#auth = auth ?? {};
    if (this.#auth.registryToken) this.#header = `Bearer ${this.#auth.registryToken}`;
  }

  /** Value for the Authorization header, when one is known to be wanted. */
  get header(): string | undefined {
    return this.#header;
  }

  /** Takes a 401's challenges; false when there is nothing new to try. */
  async answer(wwwAuthenticate: string, signal: AbortSignal): Promise<boolean> {
    const challenges = parseChallenges(wwwAuthenticate);
    const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.realm !== undefined);
    if (bearer) {
      if (this.#auth.registryToken) return false;
      this.#header = `Bearer ${await this.#token(bearer, signal)}`;
      return true;
    }
    const basic = this.#basic();
    if (!challenges.some(({ scheme }) => scheme === "basic") || basic === undefined || basic === this.#header) {
      return false;
    }
    this.#header = basic;
    return true;
  }

  #basic(): string | undefined {
    const { username, password, auth } = this.#auth;
    if (username) return `Basic ${encodeBase64(`${username}:${password ?? ""}`)}`;
    return auth ? `Basic ${auth}` : undefined;
  }

  async #token({ parameters }: Challenge, signal: AbortSignal): Promise<string> {
    const realm = this.#realm(parameters.realm);
    const service = parameters.service ?? "";
    const scope = parameters.scope ?? `repository:${this.#repository}:pull`;
    const response =
      await (this.#auth.identityToken
        ? this.#refresh(realm, service, scope, this.#auth.identityToken, signal)
        : this.#ask(realm, service, scope, signal));
    if (!response.ok) throw await httpFailure(this.#auth.identityToken ? "POST" : "GET", realm, response);
    const body = await boundedText(response, MAX_TOKEN_RESPONSE);
    let token: unknown;
    try {
      const answer = JSON.parse(body);
      token = answer.token ?? answer.access_token;
    } catch (cause) {
      throw new RegistryFailure(`the token server ${shownUrl(realm)} did not answer with JSON`, {
        cause,
        retriable: false,
      });
    }
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      throw new RegistryFailure(`the token server ${shownUrl(realm)} gave no token`, { retriable: false });
    }
    return token;
  }

  #realm(text: string): URL {
    const realm = URL.parse(text);
    if (realm?.protocol === "https:" || (realm?.protocol === "http:" && this.#origin.protocol === "http:")) {
      return realm;
    }
    throw new RegistryFailure(
      `${this.#origin.host} asks to log in at ${JSON.stringify(text.slice(0, 200))}, which is not an https address`,
      { retriable: false },
    );
  }

  #ask(realm: URL, service: string, scope: string, signal: AbortSignal): Promise<Response> {
    const url = new URL(realm);
    if (service !== "") url.searchParams.set("service", service);
    for (const part of scope.split(" ")) url.searchParams.append("scope", part);
    const basic = this.#basic();
    const headers: Record<string, string> = { "user-agent": USER_AGENT };
    if (basic !== undefined) headers.authorization = basic;
    return this.#request(url, { headers, signal });
  }

  #refresh(realm: URL, service: string, scope: string, token: string, signal: AbortSignal): Promise<Response> {
    const body = new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: token,
      service,
      scope,
      client_id: "skiff",
    });
    return this.#request(realm, { method: "POST", body, headers: { "user-agent": USER_AGENT }, signal });
  }

  /** Without following: a redirect would carry the credentials along. */
  async #request(url: URL, init: RequestInit): Promise<Response> {
    try {
      return await this.#transport.fetch(url, { ...init, redirect: "manual" });
    } catch (cause) {
      throw new RegistryFailure(`cannot reach the token server ${shownUrl(url)}`, {
        cause: init.signal?.aborted ? init.signal.reason : cause,
        retriable: !String(cause).includes("peer certificate"),
      });
    }
  }
}
