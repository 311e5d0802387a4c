import { RegistryFailure } from "./failure.ts";

export const USER_AGENT = "skiff";

const MAX_ERROR_BODY = 16_384;
/** A server that asks for more than this is not waited for: whoever asked for the image will try again. */
const MAX_RETRY_AFTER = 30_000;

/** Without the query: signed addresses carry their secret there. */
export function shownUrl(url: URL): string {
  return url.origin + url.pathname;
}

/** The body as text; more than `limit` bytes are an error. */
export async function boundedText(response: Response, limit: number): Promise<string> {
  return new TextDecoder().decode(await boundedBytes(response, limit));
}

/** @param setting of the configuration that the limit comes from. */
export async function boundedBytes(response: Response, limit: number, setting?: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > limit) {
      const where = setting === undefined ? "" : ` (${setting})`;
      throw new RegistryFailure(`the answer is over ${limit} bytes${where}`, {
        status: response.status,
        retriable: false,
      });
    }
    parts.push(part);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Reads the body of an answer that is none of the expected ones. */
export async function httpFailure(method: string, url: URL, response: Response): Promise<RegistryFailure> {
  const body = await boundedText(response, MAX_ERROR_BODY).catch(() => "");
  const status = `${response.status}${response.statusText === "" ? "" : ` ${response.statusText}`}`;
  return new RegistryFailure(`${method} ${shownUrl(url)}: ${status}${explanation(body)}`, {
    status: response.status,
    retryAfter: retryAfter(response.headers.get("retry-after")),
  });
}

/** What the server says, when it says it in the way of the distribution specification. */
function explanation(body: string): string {
  try {
    const { errors } = JSON.parse(body) as { errors: { code?: unknown; message?: unknown }[] };
    const texts = errors.slice(0, 3).map(({ code, message }) => [code, message].filter(Boolean).map(String).join(": "));
    // deno-lint-ignore no-control-regex
    return texts.length === 0 ? "" : ` (${texts.join("; ").replace(/[\x00-\x1f\x7f]+/g, " ").slice(0, 300)})`;
  } catch {
    return "";
  }
}

function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const milliseconds = /^[0-9]+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}

export function isTooLongToWait(milliseconds: number): boolean {
  return milliseconds > MAX_RETRY_AFTER;
}
