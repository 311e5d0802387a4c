/** How an EROFS image is mounted: straight from its file (Linux 6.12), or over a loop device. */
export type ErofsMethod = "erofs-file" | "erofs-loop";
/** Without EROFS, what is in the image is unpacked into a folder, which is mounted. */
export type LayerMethod = ErofsMethod | "folder";

/** The new mount API takes layers one by one (Linux 6.5); mount(2) takes one page of text. */
export type OverlayMethod = "lowerdir+" | "mount";

/** What works on this kernel with the store's own file system, found by doing it. */
export interface StorageFacts {
  layers: LayerMethod | "none";
  overlay: OverlayMethod | "none";
  volatile: boolean;
  /** Layers can be shown through the mappings of a user namespace. */
  idmapped: boolean;
  /** Why what would be better than `layers` and `overlay` is not used; empty when nothing would. */
  why: string;
  /** Why containers cannot have root file systems here, and what helps; empty when they can. */
  problem: string;
}
