import { Code, RpcError } from "../rpc/status.ts";

/** Longest name of anything in a request. Kubernetes' own limits are below it. */
const NAME_BYTES = 1024;
/** All labels, or all annotations, of one object together. Kubernetes allows 256 KiB of annotations; the runtime's own come on top. */
const MAP_BYTES = 1 << 20;

/** RpcError INVALID_ARGUMENT that names the field, the value and the rule. */
export function invalid(field: string, value: unknown, rule: string): RpcError {
  const shown = typeof value === "string"
    ? JSON.stringify(value.length > 200 ? value.slice(0, 200) + "…" : value)
    : String(value);
  return new RpcError(Code.INVALID_ARGUMENT, `${field} ${shown}: ${rule}`);
}

/** The message itself, or INVALID_ARGUMENT that it is missing. */
export function required<T>(field: string, value: T | undefined): T {
  if (value === undefined) throw new RpcError(Code.INVALID_ARGUMENT, `${field}: missing`);
  return value;
}

// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]/;

/** Text that ends in a file line or an argument: no control characters, however encoded, and not longer than any name. */
export function plainText(field: string, value: string, options: { empty?: boolean } = {}): string {
  if (value === "" && !options.empty) throw new RpcError(Code.INVALID_ARGUMENT, `${field}: must not be empty`);
  if (CONTROL.test(value)) throw invalid(field, value, "must not hold control characters");
  if (value.length > NAME_BYTES) throw invalid(field, value, `must not be longer than ${NAME_BYTES} characters`);
  return value;
}

/** A name that becomes part of a path, or of a CNI argument list. */
export function nameText(field: string, value: string): string {
  plainText(field, value);
  if (value.includes("/") || value.includes(";") || value.includes("=") || value === "." || value === "..") {
    throw invalid(field, value, "must not hold '/', ';' or '=' and must not be '.' or '..'");
  }
  return value;
}

/** RFC 1123 host name, at most the kernel's 64 bytes. */
export function hostname(field: string, value: string): string {
  if (value === "") return value;
  if (value.length > 64 || !/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(value)) {
    throw invalid(field, value, "must be an RFC 1123 host name of at most 64 characters");
  }
  return value;
}

/** An absolute path without `.` and `..` parts. */
export function absolutePath(field: string, value: string, options: { empty?: boolean } = {}): string {
  if (value === "" && options.empty) return value;
  if (value.includes("\0")) throw invalid(field, value, "must not hold a NUL");
  if (!value.startsWith("/")) throw invalid(field, value, "must be an absolute path");
  if (value.length > 4095) throw invalid(field, value, "must be shorter than 4096 bytes");
  if (value.split("/").some((part) => part === ".." || part === ".")) {
    throw invalid(field, value, "must not hold '.' or '..'");
  }
  return value;
}

/** A path below the pod's log folder. */
export function relativePath(field: string, value: string): string {
  if (value === "") return value;
  plainText(field, value);
  if (value.startsWith("/")) throw invalid(field, value, "must be relative to the pod's log_directory");
  if (value.split("/").some((part) => part === ".." || part === "." || part === "")) {
    throw invalid(field, value, "must stay below the pod's log_directory, without '.', '..' or empty parts");
  }
  return value;
}

/** One word of a line in resolv.conf. */
export function dnsWord(field: string, value: string): string {
  plainText(field, value);
  if (/\s/.test(value)) throw invalid(field, value, "must not hold white space");
  return value;
}

/** Labels or annotations: bounded in size, keys not empty. */
export function textMap(field: string, map: Record<string, string>): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(map)) {
    plainText(`${field} key`, key);
    bytes += key.length + value.length;
  }
  if (bytes > MAP_BYTES) {
    throw new RpcError(Code.INVALID_ARGUMENT, `${field}: ${bytes} bytes together, at most ${MAP_BYTES} are taken`);
  }
}
