const SHORT_ID = 13;
const SECOND = 1_000_000_000n;

/** The first 13 characters of an ID, without `sha256:`; that is enough to name it anywhere. */
export function shortId(id: string, whole = false): string {
  return whole ? id : id.replace(/^sha256:/, "").slice(0, SHORT_ID);
}

/** Bytes in units of 1000, as registries and disks count them: 1.2MB, 734kB, 12B. */
export function humanSize(bytes: bigint | number): string {
  let value = Number(bytes);
  if (value < 1000) return `${value}B`;
  for (const unit of ["kB", "MB", "GB", "TB", "PB"]) {
    value /= 1000;
    if (value < 999.5 || unit === "PB") {
      return `${value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0)}${unit}`;
    }
  }
  return "";
}

/** How long ago, in the largest unit that gives at least two: `95s`, `12m`, `47h`, `9d`. `now` and `then` in nanoseconds since the epoch. */
export function age(then: bigint, now: bigint = BigInt(Date.now()) * 1_000_000n): string {
  if (then <= 0n) return "-";
  const seconds = now > then ? (now - then) / SECOND : 0n;
  if (seconds < 120n) return `${seconds}s`;
  if (seconds < 120n * 60n) return `${seconds / 60n}m`;
  if (seconds < 48n * 3600n) return `${seconds / 3600n}h`;
  return `${seconds / 86_400n}d`;
}

/** A duration in nanoseconds: `12.3ms`, `4.56s`. */
export function duration(nanoseconds: bigint | number): string {
  const milliseconds = Number(nanoseconds) / 1e6;
  if (milliseconds < 100) return `${milliseconds.toFixed(1)}ms`;
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)}ms` : `${(milliseconds / 1000).toFixed(2)}s`;
}

/** Nanoseconds since the epoch as RFC 3339 in UTC; `-` for 0. */
export function timestamp(nanoseconds: bigint): string {
  return nanoseconds <= 0n ? "-" : new Date(Number(nanoseconds / 1_000_000n)).toISOString();
}
