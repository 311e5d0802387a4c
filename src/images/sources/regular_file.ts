import { type Kernel, S_IFMT, S_IFREG, type Stat } from "../../sys/mod.ts";

/** More than any of these files has cause to be; a certificate bundle of all public authorities has a quarter of it. */
const MAX_FILE = 1 << 20;

/** A text file of the node's administrator; undefined where nothing is. @throws when it is no regular file, or too large. */
export function readRegularText(kernel: Kernel, path: string): string | undefined {
  if (!kernel.exists(path)) return undefined;
  if ((kernel.stat(path).mode & S_IFMT) !== S_IFREG) throw new Error(`${path} is not a regular file`);
  return kernel.readText(path, MAX_FILE);
}

/** Another value means other content: the file was replaced or written to. */
export function fileVersion(kernel: Kernel, path: string): string {
  let stat: Stat;
  try {
    stat = kernel.stat(path);
  } catch {
    return "";
  }
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtime}:${stat.ctime}`;
}
