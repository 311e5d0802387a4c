import { digestHex, isDigest } from "./digest.ts";
import { FOLDER_NAME } from "./layer_folders.ts";
import type { LayerStore } from "./layer_store.ts";
import type { StoreProblem } from "./types.ts";

export interface FolderUpkeepDependencies {
  layers: LayerStore;
  isLayerMounted: (diffId: string) => boolean;
  /** True for a mending image of some image's stack of layers. */
  isMending: (name: string) => boolean;
}

/**
 * Compares the folders that layers were unpacked into with their rows, where there are any. A folder is only made of the
 * layer's file, so whatever is wrong with one that nobody uses is mended by taking it away.
 */
export async function checkFolders(
  { layers, isLayerMounted, isMending }: FolderUpkeepDependencies,
  repair: boolean,
): Promise<StoreProblem[]> {
  const problems: StoreProblem[] = [];
  const { folders } = layers;
  const names = new Set(folders.list());
  for (const diffId of layers.diffIds) {
    const name = digestHex(diffId);
    if (names.delete(name) || layers.get(diffId)?.folder === undefined) continue;
    const isMounted = isLayerMounted(diffId);
    if (repair && !isMounted) await layers.dropFolder(name);
    problems.push({
      subject: `folder ${folders.path(name)}`,
      problem: "the layer's folder is not there",
      remedy: isMounted
        ? "containers are made of it: stop these, then check again"
        : "forget it; it is unpacked when it is used",
      repaired: repair && !isMounted,
    });
  }
  for (const name of names) {
    const isOurs = FOLDER_NAME.test(name);
    const diffId = `sha256:${name}`;
    // One that is being made has no row yet; that of another store's layer never has one.
    if (isMending(name) || isDigest(diffId) && (layers.knowsFolder(name) || isLayerMounted(diffId))) continue;
    if (isOurs && repair) await folders.remove(name);
    problems.push({
      subject: `folder ${folders.path(name)}`,
      problem: "no layer has it",
      remedy: isOurs ? "remove it" : "look at it: it is none of skiff's",
      repaired: isOurs && repair,
    });
  }
  return problems;
}
