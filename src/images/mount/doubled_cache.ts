import { Errno, forgetCached, type Kernel, O_NOFOLLOW, O_RDONLY, withOpen } from "../../sys/mod.ts";

/** Milliseconds. */
const PERIOD = 60_000;

/**
 * What is read through a mounted image is in the page cache twice: as bytes of the image, and as those of the files in it.
 * Once a minute the former are forgotten, of images that were mounted a minute ago already: by then what a container reads
 * to start is there as files. An image that nobody has mounted stays in the cache for as long as the kernel has room, so
 * that its next container starts fast. Direct I/O would never have them twice, but makes each first read more than twice as slow.
 */
export class DoubledCache implements Disposable {
  #kernel: Kernel;
  #mounted: () => string[];
  #before = new Set<string>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param mounted the paths of all images that are mounted now. */
  constructor(options: { kernel: Kernel; mounted: () => string[] }) {
    this.#kernel = options.kernel;
    this.#mounted = options.mounted;
  }

  start(): void {
    this.#timer = setInterval(() => this.forget(), PERIOD);
    Deno.unrefTimer(this.#timer);
  }

  /** Forgets the bytes of what is mounted now and was at the call before. */
  async forget(): Promise<void> {
    const mounted = new Set(this.#mounted());
    const twice = mounted.intersection(this.#before);
    this.#before = mounted;
    for (const file of twice) {
      try {
        await withOpen(this.#kernel, file, O_RDONLY | O_NOFOLLOW, forgetCached);
      } catch (error) {
        // Gone meanwhile, or on a disk that has gone.
        if (!(error instanceof Errno)) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
