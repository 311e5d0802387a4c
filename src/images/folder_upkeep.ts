import { messageOf } from "../rpc/status.ts";
import { digestHex, isDigest } from "./digest.ts";
import { FOLDER_NAME } from "./layer_folders.ts";
import type { LayerStore } from "./layer_store.ts";
import type { StoreProblem } from "./types.ts";

export interface FolderUpkeepDependencies {
  layers: LayerStore;
  /** By the name of a layer, or of what mends a stack of them. */
  isFolderMounted: (name: string) => boolean;
  /** True for a mending image of some image's stack of layers. */
  isMending: (name: string) => boolean;
}

const STOP_FIRST = "containers are made of it: stop these, then check again";

/**
 * Compares the folders that layers were unpacked into with their rows, where there are any. A folder is only made of the
 * layer's file, so whatever is wrong with one that nobody uses is mended by taking it away.
 */
export async function checkFolders(
  { layers, isFolderMounted, isMending }: FolderUpkeepDependencies,
  repair: boolean,
): Promise<StoreProblem[]> {
  const problems: StoreProblem[] = [];
  const { folders } = layers;
  const names = new Set(folders.list());
  for (const diffId of layers.diffIds) {
    const name = digestHex(diffId);
    if (names.delete(name) || layers.get(diffId)?.folder === undefined) continue;
    const isMounted = isFolderMounted(name);
    if (repair && !isMounted) await layers.dropFolder(name);
    problems.push({
      subject: `folder ${folders.path(name)}`,
      problem: "the layer's folder is not there",
      remedy: isMounted ? STOP_FIRST : "forget it; it is unpacked when it is used",
      repaired: repair && !isMounted,
    });
  }
  for (const name of names) {
    const isOurs = FOLDER_NAME.test(name);
    // One that is being made has no row yet; that of another store's layer never has one.
    const isKnown = isDigest(`sha256:${name}`) && (layers.knowsFolder(name) || isFolderMounted(name));
    if (isMending(name) || isKnown) continue;
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

/**
 * Compares a folder with the file that it was made of, down to the content of what is in it. @returns what is wrong with
 * the folder, or, in words, with the file.
 */
export async function checkFolder(
  { layers, isFolderMounted }: Pick<FolderUpkeepDependencies, "layers" | "isFolderMounted">,
  name: string,
  repair: boolean,
  signal?: AbortSignal,
): Promise<{ folder?: StoreProblem; file?: string }> {
  const { folders } = layers;
  const subject = `folder ${folders.path(name)}`;
  let difference: string | undefined;
  let unreadable: string | undefined;
  try {
    using _hold = layers.hold([`sha256:${name}`]);
    ({ difference, unreadable } = await folders.compare(name, layers.imageFile(name), signal));
  } catch (error) {
    signal?.throwIfAborted();
    const problem = `it could not be compared with its layer: ${messageOf(error)}`;
    return { folder: { subject, problem, remedy: "check again", repaired: false } };
  }
  if (unreadable !== undefined) return { file: `it cannot be unpacked: ${unreadable}` };
  // One that went meanwhile was not wanted any more.
  if (difference === undefined || !folders.has(name)) return {};
  const isMounted = isFolderMounted(name);
  if (repair && !isMounted) await layers.dropFolder(name);
  const problem = `it is not as its layer: ${difference}`;
  const remedy = isMounted ? STOP_FIRST : "drop it; it is unpacked again when it is used";
  return { folder: { subject, problem, remedy, repaired: repair && !isMounted } };
}
