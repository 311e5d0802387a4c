import type { Kernel } from "./kernel.ts";

/** Opens `path`, and closes it once `use` has settled. */
export async function withOpen<T>(
  kernel: Kernel,
  path: string,
  flags: number,
  use: (fd: number) => Promise<T>,
): Promise<T> {
  const fd = kernel.open(path, flags);
  try {
    return await use(fd);
  } finally {
    kernel.close(fd);
  }
}
