/** Where a value was written: a line of a file, or a flag. */
export interface Origin {
  /** Path of a file, or the flag as it was typed. */
  source: string;
  line?: number;
  column?: number;
}

/** One thing that is wrong with the configuration. */
export interface Problem {
  origin: Origin;
  /** Dotted path of the key; empty for the file as a whole. */
  key: string;
  /** What is wrong, and what would be right. */
  message: string;
}

/** Everything that is wrong, at once: each line of the message is `file:line:column: key: what is wrong`. */
export class ConfigError extends Error {
  override name = "ConfigError";
  constructor(readonly problems: readonly Problem[]) {
    super(problems.map(formatProblem).join("\n"));
  }
}

export function formatOrigin(origin: Origin): string {
  return [origin.source, origin.line, origin.column].filter((part) => part !== undefined).join(":");
}

function formatProblem({ origin, key, message }: Problem): string {
  return `${formatOrigin(origin)}: ${key === "" ? "" : `${key}: `}${message}`;
}
