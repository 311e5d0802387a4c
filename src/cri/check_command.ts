import { Code, RpcError } from "../rpc/status.ts";
import { invalid } from "./check.ts";

/** Words of a command that is to be run in a container. */
export function commandWords(field: string, words: string[]): string[] {
  if (words.length === 0) throw new RpcError(Code.INVALID_ARGUMENT, `${field}: must not be empty`);
  for (const word of words) if (word.includes("\0")) throw invalid(field, word, "must not hold a NUL");
  return words;
}
