import type { ConfigFiles } from "../config/mod.ts";

/** The configuration's files, wherever they are, through the kernel: libc is loaded only by the commands that read files. */
export async function kernelFiles(): Promise<ConfigFiles> {
  const { kernel } = await import("../sys/mod.ts");
  return {
    readText: (path) => kernel.readText(path),
    exists: (path) => kernel.exists(path),
    list: (path) => kernel.readDirectory(path).map((entry) => entry.name),
  };
}
