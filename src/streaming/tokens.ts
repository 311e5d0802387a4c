import { Code, RpcError } from "../rpc/status.ts";

interface Entry<T> {
  value: T;
  expires: number;
}

/** One-use names of 128 random bits for things that are asked for once, soon. */
export class Tokens<T> {
  // In order of issue, and so in order of expiry.
  readonly #entries = new Map<string, Entry<T>>();
  #timer?: ReturnType<typeof setTimeout>;

  /** `lifetime` in milliseconds. */
  constructor(private readonly limit: number, private readonly lifetime: number, private readonly now = Date.now) {}

  get size(): number {
    return this.#entries.size;
  }

  /** RpcError RESOURCE_EXHAUSTED when too many are out. */
  issue(value: T): string {
    this.#dropExpired();
    if (this.#entries.size >= this.limit) {
      throw new RpcError(
        Code.RESOURCE_EXHAUSTED,
        `${this.limit} streaming URLs are out and not used yet; try again when some have expired (${
          this.lifetime / 1000
        } s)`,
      );
    }
    const token = crypto.getRandomValues(new Uint8Array(16)).toBase64({ alphabet: "base64url", omitPadding: true });
    this.#entries.set(token, { value, expires: this.now() + this.lifetime });
    this.#schedule();
    return token;
  }

  /** The value, once; undefined for a token that is unknown, used or expired. */
  take(token: string): T | undefined {
    const entry = this.#entries.get(token);
    if (entry === undefined) return undefined;
    this.#entries.delete(token);
    return entry.expires > this.now() ? entry.value : undefined;
  }

  clear(): void {
    this.#entries.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #dropExpired(): void {
    const now = this.now();
    for (const [token, { expires }] of this.#entries) {
      if (expires > now) return;
      this.#entries.delete(token);
    }
  }

  /** What nobody fetches must not be kept until the next request. */
  #schedule(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#dropExpired();
      if (this.#entries.size > 0) this.#schedule();
    }, this.lifetime);
    Deno.unrefTimer(this.#timer);
  }
}
