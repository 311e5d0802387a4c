/** Structured log. Fields are plain values; an `error` field may be any thrown thing. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A logger whose lines all carry these fields. */
  with(fields: Record<string, unknown>): Logger;
}
