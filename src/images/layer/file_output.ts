import type { ImageOutput } from "../erofs/image.ts";

/** An image file that was opened by Deno: all that is left to a process without permissions. */
export class FileOutput implements ImageOutput {
  #file: Deno.FsFile;
  #position = 0;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#seek(offset);
    for (let done = 0; done < bytes.length;) done += this.#file.writeSync(done === 0 ? bytes : bytes.subarray(done));
    this.#position = offset + bytes.length;
  }

  read(into: Uint8Array, offset: number): void {
    this.#seek(offset);
    for (let done = 0; done < into.length;) {
      const count = this.#file.readSync(into.subarray(done));
      if (count === null) throw new Error("the image file is shorter than what was written to it");
      done += count;
    }
    this.#position = offset + into.length;
  }

  #seek(offset: number): void {
    if (offset !== this.#position) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = offset;
  }
}
