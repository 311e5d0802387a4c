import type { Artifact } from "./artifact.ts";
import type { StorageFacts } from "./mount/types.ts";
import type { Verdict } from "./trust/types.ts";
import type { FolderUsage } from "./unpack/types.ts";

/** What the image says, already parsed and checked by the parser child (OCI image config, `config` object). */
export interface ImageDefaults {
  user: string;
  env: string[];
  entrypoint: string[];
  cmd: string[];
  workingDir: string;
  volumes: string[];
  stopSignal: string;
}

/**
 * An image or an artifact on the node. `id` is the digest (sha256:…) of the config, of an artifact that of the manifest; it is
 * also what PullImage returns as image_ref.
 */
export interface ImageRecord {
  id: string;
  /** Normalised names with tag: docker.io/library/busybox:latest */
  repoTags: string[];
  /** name@sha256:… of the manifest that was pulled. */
  repoDigests: string[];
  /** diffIDs, lowest first. */
  layers: string[];
  /** Bytes that its layers take. */
  size: number;
  defaults: ImageDefaults;
  labels: Record<string, string>;
  /** What `id` is the digest of, as it came. */
  config: string;
  /** Set for what is no image: it can be mounted, and not be run. */
  artifact?: Artifact;
  /** One for each manifest under which it came, the latest last. */
  originals?: Original[];
  pinned: boolean;
  /** Folder of the additional store that has it, where this node has no row of its own for it. */
  store?: string;
  /** Nanoseconds since the epoch. */
  pulledAt: bigint;
}

/** What an image came as; kept with `images.serve.keepBlobs`. */
export interface Original {
  /** The manifest, after the index that led to it, where one did. */
  documents: { digest: string; mediaType: string; text: string }[];
  /** The manifest's layers; the size in bytes. */
  blobs: { digest: string; size: number; diffId: string }[];
}

export interface LayerRecord {
  diffId: string;
  /** File below the layer folder. */
  file: string;
  size: number;
  /** Length of the layer's tar, or of an artifact's blob, which lies in the file byte for byte. Missing in old rows. */
  tarBytes?: number;
  /** Of an artifact's blob: its digest. Of a layer that is the diff ID. */
  content?: string;
  /** Directories that the tar only implied (it has entries below, none for itself), relative paths without leading slash; "" is the root. */
  impliedDirectories: string[];
  /** Directories with whiteouts in them, which show where no lower layer has the directory. Missing in old rows. */
  whiteoutDirectories?: string[];
  /** What its folder takes, where a kernel without EROFS needed it to be unpacked. */
  folder?: FolderUsage;
}

export interface RegistryAuth {
  username?: string;
  password?: string;
  /** base64 of user:password */
  auth?: string;
  serverAddress?: string;
  identityToken?: string;
  registryToken?: string;
}

export interface PullProgress {
  phase: "resolving" | "pulling" | "done";
  bytesDone: number;
  bytesTotal: number;
  layersDone: number;
  layersTotal: number;
  /** Milliseconds since the epoch. */
  startedAt?: number;
  /** Over the last seconds. */
  bytesPerSecond?: number;
}

/** A pull that is under way. */
export interface RunningPull extends PullProgress {
  /** The whole name. */
  image: string;
}

/** A whole name that a name stands for, and where it would be looked for. Nothing in it is a secret. */
export interface ImageNameExplanation {
  name: string;
  why: string;
  /** Why nothing is tried, or "". */
  refused: string;
  endpoints: {
    url: string;
    /** As the endpoint knows it, with tag or digest. */
    image: string;
    why: string;
    /** Where credentials would come from. */
    credentials: string;
    /** Files of certificates that count besides the node's own. */
    certificates: string[];
  }[];
}

/** What a prune takes away, or would. */
export interface PrunePlan {
  images: ImageRecord[];
  /** Of layer files. */
  bytesFreed: number;
  kept: { image: ImageRecord; reason: string }[];
}

/** Something in the store that is not as it should be. */
export interface StoreProblem {
  /** An image, a layer or a file. */
  subject: string;
  problem: string;
  /** What was done, or can be. */
  remedy: string;
  repaired: boolean;
}

/** The containers that are made of an image. */
export type UsersOf = (imageId: string) => string[];

export interface CheckOptions {
  /** Digests, too. */
  deep: boolean;
  repair: boolean;
}

export interface CheckResult {
  images: number;
  layers: number;
  /** Of all layers. */
  bytes: number;
  problems: StoreProblem[];
}

/** Rows of images and layers: implemented by pods/store, handed to Images by its constructor. What is put is durable once the promise settles; what was deleted may come back with a power cut. */
export interface ImageTable {
  images(): ImageRecord[];
  layers(): LayerRecord[];
  putImage(image: ImageRecord): Promise<void>;
  deleteImage(id: string): Promise<void>;
  putLayer(layer: LayerRecord): Promise<void>;
  deleteLayer(diffId: string): Promise<void>;
}

/** IDs from 0 to `size - 1` inside are those from `host` on outside. */
export interface IdRange {
  host: number;
  size: number;
}

/** The user namespace through which an image is shown. */
export interface LayerIdmap {
  /** Path where the namespace is pinned. */
  userns: string;
  uids: IdRange;
  gids: IdRange;
}

/** For whom an image is mounted: the signature policy is asked about it. */
export interface ImageUse {
  /** The name that the pod gives; "" or an ID: any name of the image does. */
  name: string;
  /** The pod's. */
  namespace: string;
}

export interface RootfsRequest {
  /** Container or pause ID: the mount's name. */
  id: string;
  image: ImageRecord;
  use?: ImageUse;
  readonly: boolean;
  /** Of a pod with a user namespace: files belong to its users, and its root can reach the folder. */
  idmap?: LayerIdmap;
}

export interface VolumeRequest {
  /** The mount's name: the container's ID, a dot, and more. */
  id: string;
  image: ImageRecord;
  use?: ImageUse;
  /** Of the image; empty: all of it. */
  subPath: string;
  idmap?: LayerIdmap;
}

/** The part that pods and cri use. All names: tag, digest, tag+digest, ID or an unambiguous prefix of an ID. */
export interface Images {
  resolve(reference: string): ImageRecord | undefined;
  list(): ImageRecord[];
  /** The same pull asked twice at the same time is one download. */
  pull(
    reference: string,
    auth: RegistryAuth | undefined,
    options: {
      signal?: AbortSignal;
      /** Of the pod that the image is for: it may have credentials of its own. */
      namespace?: string;
      onProgress?: (progress: PullProgress) => void;
      onStep?: (step: string) => void;
    },
  ): Promise<ImageRecord>;
  /** What the signature policy says of an image: one on this node, else one at its registry. Nothing is pulled. */
  verify(
    reference: string,
    auth: RegistryAuth | undefined,
    options: { namespace?: string; signal?: AbortSignal },
  ): Promise<Verdict>;
  /** What a pull of this name would try, and why: for people. @throws {RpcError} for what is no name. */
  explain(reference: string, namespace: string): ImageNameExplanation[];
  /** How far the pull of this reference is, if one runs. */
  pullProgress?(reference: string): PullProgress | undefined;
  /** The pulls that are under way, the oldest first. */
  pulls(): RunningPull[];
  /** From a folder with an OCI layout, a tar of one, or what `docker save` writes. */
  importLayout(
    path: string,
    name: string | undefined,
    options: { signal?: AbortSignal; onStep?: (step: string) => void },
  ): Promise<ImageRecord[]>;
  /**
   * Writes images as an OCI layout: a folder, or a tar, which `docker load` takes, too. Returns what was written.
   * @throws {RpcError} NOT_FOUND, ALREADY_EXISTS for a target that is there.
   */
  exportImages(
    names: string[],
    target: { path: string; folder: boolean },
    options: { signal?: AbortSignal; onProgress?: (progress: { bytesDone: number; bytesTotal: number }) => void },
  ): Promise<ImageRecord[]>;
  /** All names of the image go. RpcError FAILED_PRECONDITION while a root file system of it is mounted. Unknown: nothing. */
  remove(reference: string, inUse: (imageId: string) => string[]): Promise<void>;
  /** Removes images that neither a container nor a pin keeps, or says which it would. */
  prune(
    options: { dryRun: boolean; unusedSeconds: number },
    inUse: (imageId: string) => string[],
  ): Promise<PrunePlan>;
  /** Compares the store's files with its rows, and their content with their digests if `deep`; `repair` mends. */
  check(
    options: CheckOptions,
    inUse: UsersOf,
    signal?: AbortSignal,
  ): Promise<CheckResult>;
  /** Used bytes and inodes of the layer store; cheap (from memory). */
  usage(): { mountpoint: string; usedBytes: number; inodesUsed: number };
  /** Used bytes and inodes of all writable layers, and per container. */
  writableUsage(id?: string): { mountpoint: string; usedBytes: number; inodesUsed: number };
  /** Overlay over the layers. Returns the path of the root and the folder of the writable layer. */
  mountRootfs(request: RootfsRequest): Promise<{ root: string; upper: string }>;
  /**
   * An image, or a file or folder of it, read-only: returns its path. `unmountRootfs` takes it down. RpcError NOT_FOUND
   * for a sub path that is not there.
   */
  mountVolume(request: VolumeRequest): Promise<string>;
  /** What works for root file systems on this node. */
  facts(): Promise<StorageFacts>;
  /** Takes down the overlay, then layers without users, then the writable folder. Not there is fine. */
  unmountRootfs(id: string): Promise<void>;
  /** After a restart: the IDs whose root file systems exist; layer users are counted again from them. */
  recover(known: { id: string; imageId: string }[]): Promise<void>;
}
