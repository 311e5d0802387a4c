/** An image as it is served. */
export interface ServedImage {
  /** The config's digest. */
  id: string;
  /** Whole names without tag: docker.io/library/busybox */
  repositories: string[];
  tags: { repository: string; tag: string }[];
  /** Both in base64. */
  manifest: string;
  config: string;
  layers: ServedLayer[];
}

/** A tar inside a file. */
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
