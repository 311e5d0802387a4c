import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Config, defaultConfig } from "../../../src/config/mod.ts";
import { ImageService } from "../../../src/images/mod.ts";
import type { ImageServiceOptions } from "../../../src/images/images.ts";
import type { ImageRecord, ImageTable, LayerRecord } from "../../../src/images/types.ts";
import type { Logger } from "../../../src/observe/types.ts";
import { Store } from "../../../src/pods/mod.ts";
import {
  ENODEV,
  Errno,
  type Kernel,
  kernel,
  MNT_DETACH,
  mountsBelow,
  O_RDWR,
  type Programs,
  programs,
} from "../../../src/sys/mod.ts";
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../../../src/images/media_types.ts";

export class MemoryTable implements ImageTable {
  readonly imageRows = new Map<string, ImageRecord>();
  readonly layerRows = new Map<string, LayerRecord>();

  images(): ImageRecord[] {
    return [...this.imageRows.values()];
  }
  layers(): LayerRecord[] {
    return [...this.layerRows.values()];
  }
  async putImage(image: ImageRecord): Promise<void> {
    this.imageRows.set(image.id, image);
  }
  async deleteImage(id: string): Promise<void> {
    this.imageRows.delete(id);
  }
  async putLayer(layer: LayerRecord): Promise<void> {
    this.layerRows.set(layer.diffId, layer);
  }
  async deleteLayer(diffId: string): Promise<void> {
    this.layerRows.delete(diffId);
  }
}

/** Remembers what was logged. */
export class MemoryLogger implements Logger {
  readonly lines: { level: string; message: string; fields?: Record<string, unknown> }[] = [];
  debug(message: string, fields?: Record<string, unknown>): void {
    this.lines.push({ level: "debug", message, fields });
  }
  info(message: string, fields?: Record<string, unknown>): void {
    this.lines.push({ level: "info", message, fields });
  }
  warn(message: string, fields?: Record<string, unknown>): void {
    this.lines.push({ level: "warn", message, fields });
  }
  error(message: string, fields?: Record<string, unknown>): void {
    this.lines.push({ level: "error", message, fields });
  }
  with(): Logger {
    return this;
  }
}

export interface TestStore extends AsyncDisposable {
  folder: string;
  config: Pick<Config, "root" | "state" | "images">;
  table: MemoryTable;
  logger: MemoryLogger;
  service: ImageService;
  /** A second life on the same folders and table. */
  restart(): Promise<ImageService>;
}

export function imagesConfig(changes: Partial<Config["images"]> = {}): Config["images"] {
  return {
    ...defaultConfig().images,
    registriesConf: "/nowhere/registries.conf",
    authFiles: [],
    pinned: [],
    policy: "",
    policyDir: "",
    registriesDir: "",
    platform: "linux/amd64",
    limits: { layers: 128, entriesPerLayer: 100_000, inflatedBytesPerLayer: 1 << 30, manifestBytes: 4 << 20 },
    keepReadySeconds: 0,
    stallTimeoutSeconds: 5,
    ...changes,
  };
}

/** A kernel that mounts no EROFS, neither from a file nor over a loop device. */
const withoutErofs = {
  kernel: Object.assign(Object.create(kernel) as Kernel, {
    mount: (...args: Parameters<Kernel["mount"]>) => {
      if (args[2] === "erofs") throw new Errno("mount", ENODEV, "no such device (ENODEV)", args[0]);
      kernel.mount(...args);
    },
  }),
  programs: {
    ...programs,
    run: async (...[path, args, options]: Parameters<Programs["run"]>) =>
      await programs.run(args.includes("erofs") ? "/bin/false" : path, args, options),
  },
};

/** The rows of another store, as the daemon reads them. */
export const openTable = (path: string) => new Store({ path, kernel, bootId: "" });

/**
 * A started service with folders of its own; disposing unmounts and removes all of it.
 * @param options.erofs asked at each start: false for a kernel without EROFS.
 */
export async function openStore(
  images: Partial<Config["images"]> = {},
  existing?: string,
  { erofs = () => true, setAside, spawn, storeTimes }: {
    erofs?: () => boolean;
    storeTimes?: ImageServiceOptions["storeTimes"];
    setAside?: ImageServiceOptions["setAside"];
    spawn?: Programs["spawn"];
  } = {},
): Promise<TestStore> {
  const folder = existing ?? await Deno.makeTempDir({ prefix: "skiff-images-" });
  const config = { root: `${folder}/root`, state: `${folder}/state`, images: imagesConfig(images) };
  const table = new MemoryTable();
  const logger = new MemoryLogger();
  const open = async () => {
    const machine = erofs() ? { kernel, programs } : { ...withoutErofs };
    if (spawn) machine.programs = { ...machine.programs, spawn };
    const service = new ImageService({ config, ...machine, table, logger, setAside, openTable, storeTimes });
    await service.start();
    return service;
  };
  const store: TestStore = {
    folder,
    config,
    table,
    logger,
    service: await open(),
    restart: async () => {
      await store.service[Symbol.asyncDispose]();
      return store.service = await open();
    },
    [Symbol.asyncDispose]: async () => {
      await store.service[Symbol.asyncDispose]();
      for (const { mountPoint } of mountsBelow(folder, kernel).reverse()) await kernel.umount(mountPoint, MNT_DETACH);
      await kernel.removeTree(folder);
    },
  };
  return store;
}

/** Writes the rows of a store beside its layers, as a daemon has them there: then another one can use it. */
export async function writeDatabase({ config: { root }, table }: TestStore): Promise<void> {
  const store = new Store({ path: `${root}/store.db`, kernel, bootId: "" });
  for (const image of table.images()) await store.putImage(image);
  for (const layer of table.layers()) await store.putLayer(layer);
  await store.close();
}

/**
 * A file system over `folder` that answers nothing: FUSE whose server never does. Whoever looks at it waits until it is
 * disposed, and gets an error then.
 */
export function silentMount(folder: string): Disposable {
  const server = kernel.open("/dev/fuse", O_RDWR);
  kernel.mount("skiff-test", folder, "fuse", 0, `fd=${server},rootmode=40000,user_id=0,group_id=0`);
  return {
    [Symbol.dispose]: () => {
      kernel.umountNow(folder, MNT_DETACH);
      kernel.close(server);
    },
  };
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

export interface Blob {
  bytes: Uint8Array;
  digest: string;
}

export interface TestImage {
  /** Everything by digest: manifest, config, layers. */
  blobs: Map<string, Uint8Array>;
  manifest: Blob;
  config: Blob;
  diffIds: string[];
  layers: Blob[];
}

export interface ImageOptions {
  config?: Record<string, unknown>;
  /** Default: gzip. */
  compress?: (tar: Uint8Array) => Uint8Array;
  mediaType?: string;
}

/** An OCI image of these tars. */
export function buildImage(tars: Uint8Array[], options: ImageOptions = {}): TestImage {
  const compress = options.compress ?? ((tar) => new Uint8Array(gzipSync(tar)));
  const layers = tars.map((tar) => blob(compress(tar)));
  const diffIds = tars.map(sha256);
  const config = json({
    os: "linux",
    architecture: "amd64",
    config: { Cmd: ["/bin/sh"], ...options.config },
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const mediaType = options.mediaType ?? "application/vnd.oci.image.layer.v1.tar+gzip";
  const manifest = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.bytes.length },
    layers: layers.map(({ digest, bytes }) => ({ mediaType, digest, size: bytes.length })),
  });
  const blobs = new Map([manifest, config, ...layers].map(({ digest, bytes }) => [digest, bytes]));
  return { blobs, manifest, config, diffIds, layers };
}

export interface TestBlob {
  title?: string;
  bytes: Uint8Array;
}

/** An OCI artifact of these blobs. */
export function buildArtifact(files: TestBlob[], artifactType = "application/vnd.example.files"): TestImage {
  const layers = files.map(({ bytes }) => blob(bytes));
  const config = json({});
  const manifest = json({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType,
    config: { mediaType: "application/vnd.oci.empty.v1+json", digest: config.digest, size: config.bytes.length },
    layers: layers.map(({ digest, bytes }, index) => ({
      mediaType: "application/octet-stream",
      digest,
      size: bytes.length,
      annotations: files[index].title === undefined ? {} : { "org.opencontainers.image.title": files[index].title },
    })),
  });
  const blobs = new Map([manifest, config, ...layers].map(({ digest, bytes }) => [digest, bytes]));
  return { blobs, manifest, config, diffIds: [], layers };
}

export function json(value: unknown): Blob {
  return blob(new TextEncoder().encode(JSON.stringify(value)));
}

function blob(bytes: Uint8Array): Blob {
  return { bytes, digest: sha256(bytes) };
}

/** An index over images, each with its platform. */
export function buildIndex(entries: { manifest: Blob; platform?: Record<string, string>; name?: string }[]): Blob {
  return json({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: entries.map(({ manifest, platform, name }) => ({
      mediaType: OCI_MANIFEST,
      digest: manifest.digest,
      size: manifest.bytes.length,
      platform,
      annotations: name === undefined ? undefined : { "org.opencontainers.image.ref.name": name },
    })),
  });
}

/** Writes an OCI image layout. */
export async function writeLayout(
  folder: string,
  images: { image: TestImage; name?: string; platform?: Record<string, string> }[],
): Promise<void> {
  await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
  await Deno.writeTextFile(`${folder}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  const index = buildIndex(images.map(({ image, name, platform }) => ({ manifest: image.manifest, name, platform })));
  await Deno.writeFile(`${folder}/index.json`, index.bytes);
  for (const { image } of images) {
    for (const [digest, bytes] of image.blobs) await Deno.writeFile(`${folder}/blobs/sha256/${digest.slice(7)}`, bytes);
  }
}
