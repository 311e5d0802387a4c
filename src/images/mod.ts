/** The door of `images`. The children's entry points, fetch_child.ts and parse_child.ts, are loaded by main.ts alone. */
export type {
  ImageDefaults,
  ImageRecord,
  Images,
  ImageTable,
  LayerRecord,
  PullProgress,
  RegistryAuth,
  RootfsRequest,
} from "./types.ts";
export { FolderImport } from "./import_folder.ts";
export { ImageService, type ImageServiceOptions } from "./images.ts";
export type { StorageFacts } from "./mount/types.ts";
export type { Verdict } from "./trust/types.ts";
export { formatReference, parseReference, type Reference, repositoryName } from "./reference.ts";

/** `skiff __fetch`: resolves with the exit code. */
export async function runFetchChild(args: string[]): Promise<number> {
  return await (await import("./fetch_child.ts")).main(args);
}

/** `skiff __parse`: resolves with the exit code. Whoever calls it must not have loaded libc, so main.ts loads the file itself. */
export async function runParseChild(args: string[]): Promise<number> {
  return await (await import("./parse_child.ts")).main(args);
}
