/** What `skiff __unpack` and `skiff __compare` read on their standard input. */
export interface FolderTask {
  /** Of a file as the parser child writes it. */
  image: string;
  /** To unpack: an empty folder, the tree is made at `tree` in it. To compare: the tree. */
  folder: string;
  /** Most entries that the image may have. */
  entries: number;
}

/** What `skiff __unpack` says on its standard error. */
export type UnpackEvent =
  | { event: "done" } & FolderUsage
  /** `code`: the error number of the system call that failed. */
  | { event: "error"; message: string; code?: number };

/** What `skiff __compare` says on its standard error. */
export type CompareEvent =
  | { event: "done" } & Comparison
  | { event: "error"; message: string };

/** How a folder compares with the image that it was made of, in words; nothing where there is no difference. */
export interface Comparison {
  /** The first one. */
  difference?: string;
  /** Why the image itself cannot be read. */
  unreadable?: string;
}

/** What an unpacked layer takes on the disk. */
export interface FolderUsage {
  usedBytes: number;
  inodesUsed: number;
}
