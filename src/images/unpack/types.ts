/** What `skiff __unpack` reads on its standard input. */
export interface UnpackTask {
  /** Of a file as the parser child writes it. */
  image: string;
  /** An empty folder: the tree is made at `tree` in it. */
  folder: string;
  /** Most entries that the image may have. */
  entries: number;
}

/** What `skiff __unpack` says on its standard error. */
export type UnpackEvent =
  | { event: "done" } & FolderUsage
  /** `code`: the error number of the system call that failed. */
  | { event: "error"; message: string; code?: number };

/** What an unpacked layer takes on the disk. */
export interface FolderUsage {
  usedBytes: number;
  inodesUsed: number;
}
