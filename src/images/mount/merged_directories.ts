import { ENOENT, ENOTDIR, isErrno, type Kernel, S_IFDIR, S_IFMT, type Stat } from "../../sys/mod.ts";
import type { LayerRecord } from "../types.ts";

/** A mounted layer of an image. */
export interface LayerView {
  path: string;
  implied: Set<string>;
  /** Directories with whiteouts. */
  whiteouts: string[];
}

export function layerView(path: string, layer: LayerRecord): LayerView {
  return { path, implied: new Set(layer.impliedDirectories), whiteouts: layer.whiteoutDirectories ?? [] };
}

/** What a directory's inode says besides its content. */
export interface DirectoryAttributes {
  stat: Stat;
  xattrs: { name: string; value: Uint8Array }[];
}

/** Time between two turns of the event loop. */
const SLICE = 5;

/**
 * Which layers make up a directory of the merged view, by overlayfs's own rules, and which of them describes it: a layer
 * whose tar only implied the directory does not, though overlayfs would show what that layer's image has.
 */
export class MergedDirectories {
  #kernel: Kernel;
  #layers: LayerView[];
  #known = new Map<string, LayerView[]>();
  #since = performance.now();

  /** @param layers topmost first. */
  constructor(kernel: Kernel, layers: LayerView[]) {
    this.#kernel = kernel;
    this.#layers = layers;
    this.#known.set("", untilOpaque(kernel, layers, ""));
  }

  /** Directories that overlayfs would show with the wrong attributes, or with whiteouts in plain sight; "" is the root. */
  async toMend(): Promise<string[]> {
    const mend = new Set<string>();
    if (await this.#isRootWrong()) mend.add("");
    for (const layer of this.#layers) {
      for (const path of layer.implied) {
        if (path === "" || mend.has(path)) continue;
        const parts = await this.#parts(path);
        if (parts[0]?.implied.has(path) && parts.some(({ implied }) => !implied.has(path))) mend.add(path);
      }
      for (const path of layer.whiteouts) {
        // The root always has something below it, so its whiteouts never show.
        if (path === "") continue;
        const parts = await this.#parts(path);
        if (parts.length === 1 && parts[0] === layer) mend.add(path);
      }
    }
    return [...mend];
  }

  /** Of the topmost layer that describes the directory; when none does, of the topmost that has it. */
  async attributes(path: string): Promise<DirectoryAttributes> {
    const parts = await this.#parts(path);
    const layer = parts.find(({ implied }) => !implied.has(path)) ?? parts[0];
    const place = join(layer.path, path);
    const xattrs = this.#kernel.listxattr(place)
      .filter((name) => !name.startsWith("trusted.overlay."))
      .map((name) => ({ name, value: this.#kernel.getxattr(place, name) ?? new Uint8Array() }));
    return { stat: this.#kernel.lstat(place), xattrs };
  }

  /** Most roots are as one that is only implied: then an image less is mounted. */
  async #isRootWrong(): Promise<boolean> {
    const parts = await this.#parts("");
    if (!parts[0]?.implied.has("") || parts.every(({ implied }) => implied.has(""))) return false;
    const { stat, xattrs } = await this.attributes("");
    const shown = this.#kernel.lstat(parts[0].path);
    return xattrs.length > 0 || stat.mode !== shown.mode || stat.uid !== shown.uid || stat.gid !== shown.gid;
  }

  /** Topmost first; empty when the merged view has no such directory. */
  async #parts(path: string): Promise<LayerView[]> {
    const known = this.#known.get(path);
    if (known) return known;
    const slash = path.lastIndexOf("/");
    const above = await this.#parts(slash < 0 ? "" : path.slice(0, slash));
    const parts = untilOpaque(this.#kernel, above, path);
    this.#known.set(path, parts);
    if (performance.now() - this.#since > SLICE) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.#since = performance.now();
    }
    return parts;
  }
}

/** The layers, from the top, in which `path` is a directory, up to one that hides the rest. */
function untilOpaque(kernel: Kernel, layers: LayerView[], path: string): LayerView[] {
  const parts: LayerView[] = [];
  for (const layer of layers) {
    const place = join(layer.path, path);
    const mode = modeOf(kernel, place);
    if (mode === undefined) continue;
    if ((mode & S_IFMT) !== S_IFDIR) break;
    parts.push(layer);
    if (isOpaque(kernel, place)) break;
  }
  return parts;
}

function modeOf(kernel: Kernel, path: string): number | undefined {
  try {
    return kernel.lstat(path).mode;
  } catch (error) {
    if (isErrno(error, ENOENT, ENOTDIR)) return undefined;
    throw error;
  }
}

function isOpaque(kernel: Kernel, path: string): boolean {
  return kernel.getxattr(path, "trusted.overlay.opaque")?.[0] === 0x79;
}

function join(base: string, path: string): string {
  return path === "" ? base : `${base}/${path}`;
}
