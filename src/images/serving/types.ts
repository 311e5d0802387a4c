/** An image as it is served. */
export interface ServedImage {
  /** See {@link ImageRecord}. */
  id: string;
  /** Whole names without tag: docker.io/library/busybox */
  repositories: string[];
  /** `digest` is that of one of the manifests. */
  tags: { repository: string; tag: string; digest: string }[];
  /** In base64; indexes are among them. */
  manifests: { mediaType: string; content: string }[];
  /** In base64. Short blobs, as the config is one. */
  documents: string[];
  layers: ServedLayer[];
}

/** A tar, or the blob of an artifact, inside a file. */
export interface ServedLayer {
  digest: string;
  file: string;
  offset: number;
  size: number;
}

/** The first line that `skiff __images` reads on its standard input. */
export interface ServeTask {
  hostname: string;
  port: number;
  /** PEM. */
  tls?: { cert: string; key: string };
}

/** The lines after it. */
export type ServeCommand = { put: ServedImage } | { remove: string };

/** What `skiff __images` says on its standard error. */
export type ServeEvent =
  | { event: "listening" }
  | { event: "damaged"; digest: string; file: string }
  | { event: "error"; message: string };
