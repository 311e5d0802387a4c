import { kernel, O_NOFOLLOW, O_RDONLY } from "../../sys/mod.ts";
import { S_IFMT, S_IFREG } from "../erofs/inode.ts";
import type { ImageInput } from "../erofs/reader.ts";

/** Opens the file of an image, to be read until the process ends. */
export function openImage(path: string): ImageInput & { fd: number } {
  const fd = kernel.open(path, O_RDONLY | O_NOFOLLOW);
  const { mode, size } = kernel.fstat(fd);
  if ((mode & S_IFMT) !== S_IFREG) throw new Error("it is no regular file");
  const read = (into: Uint8Array, offset: number) => {
    for (let done = 0; done < into.length;) {
      const count = kernel.pread(fd, into.subarray(done), offset + done);
      if (count === 0) throw new Error("it became shorter while it was read");
      done += count;
    }
  };
  return { fd, length: size, read };
}
