import { invalid, quote } from "../refusal.ts";

/** Linux's own limit for a path. */
const PATH_MAX = 4096;

/** An absolute path without `.`, `..` and doubled slashes; RpcError INVALID_ARGUMENT for a relative, empty, over-long or NUL path. */
export function absolutePath(field: string, path: string): string {
  if (path === "") throw invalid(field, "the path is empty");
  if (!path.startsWith("/")) throw invalid(field, `${quote(path)} is not an absolute path`);
  if (path.includes("\0")) throw invalid(field, `${quote(path)} holds a NUL byte`);
  if (path.length >= PATH_MAX) {
    throw invalid(field, `the path has ${path.length} characters; the kernel takes ${PATH_MAX - 1}`);
  }
  return normalise(path);
}

/** Resolves `.`, `..` and doubled slashes of an absolute path by its text alone; `..` never leaves the root. */
export function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return "/" + parts.join("/");
}

export function depth(path: string): number {
  return path === "/" ? 0 : path.split("/").length - 1;
}

/** True if `path` is `folder` or below it; both normalised. */
export function isWithin(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(folder + "/");
}
