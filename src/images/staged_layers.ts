import type { Kernel } from "../sys/mod.ts";
import { isDigest } from "./digest.ts";
import { noteName, partName } from "./staging.ts";

/** A layer that lies in a staging folder, complete and checked. */
export interface StagedLayer {
  stream: number;
  diffId: string;
  tarBytes: number;
  /** See {@link LayerRecord}. */
  content?: string;
  impliedDirectories: string[];
  whiteoutDirectories: string[];
}

/** Lists of directories make the longest ones. */
const MAX_NOTE = 16 << 20;

/** Writes down, beside a layer in a staging folder, that it is whole. */
export function writeNote(kernel: Kernel, staging: string, layer: StagedLayer): void {
  kernel.writeFile(`${staging}/${noteName(layer.stream)}`, JSON.stringify(layer));
}

/** The layers in a staging folder that are whole. A note that a power cut has spoilt counts as none. */
export function readNotes(kernel: Kernel, staging: string): StagedLayer[] {
  const names = kernel.readDirectory(staging).filter(({ type }) => type === "file").map(({ name }) => name);
  return names.filter((name) => name.endsWith(".json")).flatMap((name) => {
    const note = parse(kernel, `${staging}/${name}`);
    return note && name === noteName(note.stream) && names.includes(partName(note.stream)) ? [note] : [];
  });
}

function parse(kernel: Kernel, path: string): StagedLayer | undefined {
  try {
    const note = JSON.parse(kernel.readText(path, MAX_NOTE)) as StagedLayer;
    const isSound = isDigest(note.diffId) && Number.isSafeInteger(note.stream) && Number.isSafeInteger(note.tarBytes) &&
      (note.content === undefined || isDigest(note.content)) &&
      Array.isArray(note.impliedDirectories) && Array.isArray(note.whiteoutDirectories);
    return isSound ? note : undefined;
  } catch {
    return undefined;
  }
}
