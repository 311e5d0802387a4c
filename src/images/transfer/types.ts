/** What a tar with images has in it, by place: nothing of it is in memory but short documents. */
export interface ArchiveContents {
  /** The index of its images, in base64: its own, or one made of what `docker save` writes. */
  index: string;
  /** Manifests that were made for it, by digest, in base64. */
  documents: Record<string, string>;
  /** Offset and length of each blob, by digest. */
  blobs: Record<string, [number, number]>;
}

/** What `skiff __index` writes. */
export type ArchiveAnswer = ArchiveContents | { error: string };

/** The tar inside a layer's file, or the blob of an artifact. */
export interface LayerEntry {
  name: string;
  size: number;
  file: string;
  offset: number;
  digest: string;
}

/** A file of an image layout; a `content` is in base64. */
export type ExportEntry = LayerEntry | { name: string; size: number; content: string };

/** What `skiff __export` reads on its standard input. */
export interface ExportTask {
  /** Absolute path of a folder to fill; "": a tar goes to the standard output. */
  folder: string;
  entries: ExportEntry[];
}

/** What `skiff __export` says on its standard error. */
export type ExportEvent =
  /** Bytes of layers so far. */
  | { event: "progress"; bytes: number }
  | { event: "error"; message: string };
