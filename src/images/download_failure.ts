import { Code, RpcError } from "../rpc/status.ts";
import type { ParseEvent } from "./child_events.ts";
import { ParseFailure } from "./child_pair.ts";

/** The other layers are what they should be: the parser was sound up to the end. */
export function isOfTheSource(error: unknown): boolean {
  return error instanceof RpcError && !(error instanceof ParseFailure) && error.code !== Code.INTERNAL &&
    error.code !== Code.FAILED_PRECONDITION;
}

export function isDiskFull({ message }: Error): boolean {
  return /\(os error (28|122)\)/.test(message);
}

/** @throws {RpcError} DATA_LOSS where a digest is another one than it should be. */
export function requireSame(what: string, computed: string, expected: string): void {
  if (computed === expected) return;
  throw new RpcError(Code.DATA_LOSS, `the ${what} has the digest ${computed}; asked for was ${expected}`);
}

export function unexpected(event: ParseEvent): RpcError {
  return new RpcError(
    Code.FAILED_PRECONDITION,
    `expected something else than ${event.event === "index" ? "an index" : `a ${event.event}`}`,
  );
}
