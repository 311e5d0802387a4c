import type { ConfigFiles } from "../config/mod.ts";

/** The configuration's files, wherever they are, through the kernel: libc is loaded only by the commands that read files. */
export async function kernelFiles(): Promise<ConfigFiles> {
  return {
    readText: (path) => Deno.readTextFileSync(path),
    exists: (path) => {
      try {
        Deno.statSync(path);
        return true;
      } catch {
        return false;
      }
    },
    list: (path) => [...Deno.readDirSync(path)].map((entry) => entry.name),
  };
}
