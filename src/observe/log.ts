import { errorText } from "./error_text.ts";
import { MAX_TEXT, type Plain, plainFields } from "./fields.ts";
import type { Logger } from "./types.ts";

export type Level = "debug" | "info" | "warn" | "error";

export interface LoggerOptions {
  level: Level;
  format: "text" | "json";
  /** Gets whole lines with their newline. Default: standard error. */
  write?: (line: string) => void;
}

/** A logger whose level can be changed while it runs, for it and all that came from it by `with`. */
export interface LeveledLogger extends Logger {
  level: Level;
}

const LEVELS: Level[] = ["debug", "info", "warn", "error"];

type Format = (time: string, level: Level, message: string, fields: Record<string, Plain>) => string;

/** A logger that writes one line for each event: RFC 3339 time in milliseconds, level, message, fields. */
export function createLogger({ level, format, write = writeToStderr }: LoggerOptions): LeveledLogger {
  return new LineLogger({ level, format: format === "json" ? jsonLine : textLine, write }, {});
}

interface Sink {
  level: Level;
  format: Format;
  write: (line: string) => void;
}

class LineLogger implements LeveledLogger {
  #sink: Sink;
  #fields: Record<string, unknown>;

  constructor(sink: Sink, fields: Record<string, unknown>) {
    this.#sink = sink;
    this.#fields = fields;
  }

  get level(): Level {
    return this.#sink.level;
  }
  set level(level: Level) {
    this.#sink.level = level;
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#log("debug", message, fields);
  }
  info(message: string, fields?: Record<string, unknown>): void {
    this.#log("info", message, fields);
  }
  warn(message: string, fields?: Record<string, unknown>): void {
    this.#log("warn", message, fields);
  }
  error(message: string, fields?: Record<string, unknown>): void {
    this.#log("error", message, fields);
  }
  with(fields: Record<string, unknown>): Logger {
    return new LineLogger(this.#sink, { ...this.#fields, ...fields });
  }

  #log(level: Level, message: string, fields: Record<string, unknown> = {}): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.#sink.level)) return;
    const all = { ...this.#fields, ...fields };
    // Anything can be thrown, also what is no Error.
    if (all.error !== undefined) all.error = errorText(all.error);
    const line = this.#sink.format(new Date().toISOString(), level, message.slice(0, MAX_TEXT), plainFields(all));
    this.#sink.write(`${line}\n`);
  }
}

const OWN_KEYS = new Set(["time", "level", "message"]);

function jsonLine(time: string, level: Level, message: string, fields: Record<string, Plain>): string {
  const own = Object.entries(fields).map(([key, value]) => [OWN_KEYS.has(key) ? `field_${key}` : key, value]);
  return escapeControls(JSON.stringify({ time, level, message, ...Object.fromEntries(own) }));
}

function textLine(time: string, level: Level, message: string, fields: Record<string, Plain>): string {
  const parts = [time, level.toUpperCase().padEnd(5), oneLine(message)];
  for (const [key, value] of Object.entries(fields)) parts.push(`${textKey(key)}=${textValue(value)}`);
  return escapeControls(parts.join(" "));
}

function oneLine(message: string): string {
  return JSON.stringify(message).slice(1, -1).replaceAll('\\"', '"');
}

function textKey(key: string): string {
  return /^[\w./-]+$/.test(key) ? key : JSON.stringify(key);
}

function textValue(value: Plain): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return typeof value !== "string" || /^[\w./:@+,-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Escapes what JSON leaves as it is but a terminal or a log viewer would act on: DEL, C1, line separators, writing direction. */
function escapeControls(line: string): string {
  return line.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const encoder = new TextEncoder();

function writeToStderr(line: string): void {
  let bytes = encoder.encode(line);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(Deno.stderr.writeSync(bytes));
  } catch {
    // Nobody reads the log, or cannot take more now: the daemon must go on without it.
  }
}
