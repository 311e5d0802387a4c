import { Code, RpcError } from "../rpc/status.ts";

/** Reasons that the kubelet knows by the first word of a message. */
const FIRST_WORDS = /^(?:RegistryUnavailable|SignatureValidationFailed)\b/;

/** Runs work on images; a failure keeps its code, and says what was tried. @throws {RpcError} */
export async function failing<T>(
  what: string,
  options: { signal?: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (options.signal?.aborted) throw new RpcError(Code.CANCELLED, `cannot ${what}: cancelled`, { cause: error });
    if (!(error instanceof RpcError)) throw new RpcError(Code.INTERNAL, `cannot ${what}`, { cause: error });
    if (FIRST_WORDS.test(error.message)) throw error;
    throw new RpcError(error.code, `cannot ${what}`, { cause: error });
  }
}
