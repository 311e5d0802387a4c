import { Code } from "../../rpc/status.ts";

/** A request to a registry that did not give what was asked for. */
export class RegistryFailure extends Error {
  override name = "RegistryFailure";
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Milliseconds that the server asked to wait. */
  readonly retryAfter: number | undefined;
  /** Asking again, or asking elsewhere, may help. */
  readonly retriable: boolean;
  #code: Code | undefined;

  constructor(
    message: string,
    options: { status?: number; retryAfter?: number; retriable?: boolean; cause?: unknown; code?: Code } = {},
  ) {
    super(message, { cause: options.cause });
    this.#code = options.code;
    this.status = options.status ?? 0;
    this.retryAfter = options.retryAfter;
    this.retriable = options.retriable ??
      (this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500);
  }

  get code(): Code {
    if (this.#code !== undefined) return this.#code;
    switch (this.status) {
      case 401:
        return Code.UNAUTHENTICATED;
      case 403:
        return Code.PERMISSION_DENIED;
      case 404:
        return Code.NOT_FOUND;
      case 429:
        return Code.RESOURCE_EXHAUSTED;
      default:
        return this.isUnavailable ? Code.UNAVAILABLE : Code.FAILED_PRECONDITION;
    }
  }

  /** No answer, or one that says that the server is not well. */
  get isUnavailable(): boolean {
    return this.retriable && this.status !== 429 && this.status !== 408;
  }

  /** What can be done about it, or "". */
  get advice(): string {
    switch (this.status) {
      case 401:
        return "; check the pull secret, or give one";
      case 403:
        return "; the credentials are not allowed to pull this image";
      case 404:
        return "; check the name and the tag, and if the image is private, the pull secret";
      case 429:
        return "; the registry limits its clients: wait, log in, or set a mirror (images.registries, registries.conf)";
      default:
        return "";
    }
  }
}

/** The failure of a whole pull, told for all endpoints that were tried in vain. */
export function summarize(what: string, tried: { url: string; error: unknown }[]): { code: Code; message: string } {
  const last = tried[tried.length - 1];
  const failure = last.error instanceof RegistryFailure ? last.error : undefined;
  const others = tried.slice(0, -1).map(({ url, error }) => `${url}: ${text(error)}`);
  const before = others.length === 0 ? "" : ` (before that: ${others.join("; ")})`;
  // The kubelet looks for this word at the start to tell a registry that is down from other failures.
  const prefix = failure?.isUnavailable ? "RegistryUnavailable: " : "";
  return {
    code: failure?.code ?? Code.UNKNOWN,
    message: `${prefix}cannot fetch ${what}: ${text(last.error)}${failure?.advice ?? ""}${before}`,
  };
}

function text(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
