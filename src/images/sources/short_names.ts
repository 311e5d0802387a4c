import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import { hasRegistry, parseReference, type Reference } from "../reference.ts";
import type { RegistryRules } from "./rules.ts";

/** A whole name that a short one may stand for. */
export interface Candidate {
  reference: Reference;
  why: string;
}

/**
 * The whole names that a name may stand for, in the order in which they are tried: one with a registry stands for itself,
 * a short one for its alias, else for that name at each of the registries to search. Where no file has a list of these,
 * it is docker.io alone, as the kubelet itself completes names.
 * @throws {RpcError} INVALID_ARGUMENT for what is no name, FAILED_PRECONDITION where the rules leave nothing to try.
 */
export function candidatesOf(text: string, rules: RegistryRules): Candidate[] {
  const asWritten = parseReference(text);
  if (hasRegistry(text)) return [{ reference: asWritten, why: "the name has its registry" }];
  const end = nameLength(text);
  const alias = rules.aliases.get(text.slice(0, end));
  if (alias) {
    return [{ reference: parseReference(alias.name + text.slice(end)), why: `alias in ${alias.origin}` }];
  }
  const { search, shortNameMode } = rules;
  if (!search) return [{ reference: asWritten, why: "a name without a registry is docker.io's" }];
  if (search.registries.length === 0) {
    throw refused(text, `has no registry, and ${search.origin} has none to search; write the whole name`);
  }
  if (search.registries.length > 1 && shortNameMode === "enforcing") {
    throw refused(
      text,
      `has no registry, and could be one of ${search.registries.join(", ")}: with short-name-mode = "enforcing" ` +
        `somebody would have to choose; write the whole name, or give it an alias (${search.origin})`,
    );
  }
  return search.registries.map((registry) => ({
    reference: parseReference(`${registry}/${text}`),
    why: `unqualified-search-registries in ${search.origin}`,
  }));
}

function nameLength(text: string): number {
  const at = text.indexOf("@");
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  return colon < 0 ? named.length : colon;
}

function refused(text: string, reason: string): RpcError {
  return new RpcError(Code.FAILED_PRECONDITION, `the image name ${JSON.stringify(text)} ${reason}`);
}

/** The first candidate with which `attempt` succeeds. @throws {RpcError} that tells of all of them, where none does. */
export async function firstThatCanBeHad<T>(
  candidates: Candidate[],
  attempt: (reference: Reference) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const failures: string[] = [];
  for (const { reference } of candidates) {
    try {
      return await attempt(reference);
    } catch (error) {
      if (candidates.length === 1 || signal?.aborted) throw error;
      failures.push(messageOf(error));
      if (failures.length < candidates.length) continue;
      const code = error instanceof RpcError ? error.code : Code.UNKNOWN;
      throw new RpcError(code, `none of ${candidates.length} registries has it: ${failures.join("; ")}`);
    }
  }
  throw new RpcError(Code.INTERNAL, "a name stands for nothing");
}
