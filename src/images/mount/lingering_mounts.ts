import { type Kernel, mountsBelow } from "../../sys/mod.ts";

interface Lingering {
  /** Layers that it shows, by the names of their mounts. */
  names: string[];
  /** Where it is a file system of its own, and no view of a folder. */
  device: bigint | undefined;
  mount: number | undefined;
}

/** More are forgotten, the oldest first. */
const MOST = 256;

/** Mounts that were taken down while somebody used them: they are at no path any more, and live on until that ends. */
export class LingeringMounts {
  #kernel: Kernel;
  #mounts: Lingering[] = [];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** To be called before the mount at `target` is taken down. */
  note(target: string, names: string[]): void {
    const mount = mountsBelow(target, this.#kernel).findLast(({ mountPoint }) => mountPoint === target);
    const isOwn = mount?.type === "erofs" || mount?.type === "overlay";
    const device = isOwn ? this.#kernel.stat(target).dev : undefined;
    this.#mounts = [...this.#mounts, { names, device, mount: mount?.id }].slice(-MOST);
  }

  /** Device numbers and mount IDs of those that show one of the layers. */
  of(names: string[]): { devices: Set<bigint>; mounts: Set<number> } {
    const found = this.#mounts.filter((one) => one.names.some((name) => names.includes(name)));
    return {
      devices: new Set(found.flatMap(({ device }) => device ?? [])),
      mounts: new Set(found.flatMap(({ mount }) => mount ?? [])),
    };
  }
}
