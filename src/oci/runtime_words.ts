/** Longest part of a runtime's output that goes into an error. */
const WORDS_MAX = 2000;

/**
 * The last error that a runtime has logged (`--log-format json`, one object per line), else the last line that it wrote.
 * Empty if it said nothing.
 */
export function lastWords(output: string): string {
  const lines = output.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return cut(lastError(output) ?? lines.at(-1) ?? "");
}

/** The last line of a JSON log that is an error, or undefined if there is none. */
export function lastError(log: string): string | undefined {
  let found: string | undefined;
  for (const line of log.split("\n")) {
    const entry = parse(line);
    if (entry && (entry.level === "error" || entry.level === "fatal") && typeof entry.msg === "string") {
      found = entry.msg;
    }
  }
  return found === undefined ? undefined : cut(found.trim());
}

/** True for the words of runc and crun for a program that the container's root has not. */
export function saysNoProgram(words: string): boolean {
  return /executable file .*not found|exec: "[^"]*": stat [^:]*: no such file or directory/i.test(words);
}

function parse(line: string): { level?: unknown; msg?: unknown } | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    // A line that the process has cut short, or that is not the runtime's.
    return undefined;
  }
}

function cut(text: string): string {
  return text.length > WORDS_MAX ? text.slice(0, WORDS_MAX) + "…" : text;
}
