import { Code, messageOf } from "../../rpc/status.ts";
import { SourceError } from "../byte_source.ts";
import { boundedBytes, USER_AGENT } from "../registry/http.ts";

/** Milliseconds for one signature. */
const TIMEOUT = 30_000;

/** The signatures in a folder of a web server: signature-1, signature-2 and so on, up to the first that is not there. */
export async function* lookasideSignatures(
  folder: string,
  { limit, count }: { limit: number; count: number },
): AsyncGenerator<Uint8Array> {
  for (let number = 1; number <= count; number++) {
    const url = `${folder}/signature-${number}`;
    const bytes = await signatureAt(url, limit);
    if (!bytes) return;
    yield bytes;
  }
}

async function signatureAt(url: string, limit: number): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, {
      headers: { "user-agent": USER_AGENT },
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (response.status === 404 || response.status === 410) {
      await response.body?.cancel();
      return undefined;
    }
    if (response.ok) return await boundedBytes(response, limit);
    await response.body?.cancel();
    throw new Error(`the answer is ${response.status} ${response.statusText}`);
  } catch (error) {
    throw new SourceError(Code.UNAVAILABLE, `cannot fetch ${url}: ${messageOf(error)}`);
  }
}
