const MAX_DEPTH = 8;

/**
 * Any thrown thing as one text: the message and those of its causes, with what an AggregateError or a SuppressedError
 * holds. Programming errors come with their stack, since their message alone leads nowhere.
 */
export function errorText(error: unknown): string {
  const text = describe(error, 0);
  return error instanceof Error && isProgrammingError(error) && error.stack !== undefined
    ? `${text}\n${error.stack}`
    : text;
}

function describe(error: unknown, depth: number): string {
  if (depth > MAX_DEPTH) return "…";
  if (!(error instanceof Error)) return typeof error === "string" ? error : shortJson(error);
  const parts = [error.message || error.name];
  if (error instanceof AggregateError) parts.push(error.errors.map((one) => describe(one, depth + 1)).join("; "));
  if (isSuppressed(error)) {
    parts.push(`${describe(error.error, depth + 1)}, after ${describe(error.suppressed, depth + 1)}`);
  }
  if (error.cause !== undefined) parts.push(describe(error.cause, depth + 1));
  return parts.join(": ");
}

function isSuppressed(error: Error): error is Error & { error: unknown; suppressed: unknown } {
  return error.name === "SuppressedError" && "error" in error && "suppressed" in error;
}

function isProgrammingError(error: Error): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
}

function shortJson(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? String(value)).slice(0, 500);
  } catch {
    return String(value);
  }
}
