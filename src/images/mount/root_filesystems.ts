import type { Logger } from "../../observe/types.ts";
import { Code, RpcError } from "../../rpc/status.ts";
import {
  EBUSY,
  isErrno,
  type Kernel,
  KeyedQueue,
  MNT_DETACH,
  mountsBelow,
  MS_BIND,
  type Programs,
  S_IFDIR,
  S_IFMT,
} from "../../sys/mod.ts";
import { digestHex } from "../digest.ts";
import { FOLDER_NAME } from "../layer_folders.ts";
import type { LayerStore } from "../layer_store.ts";
import type { IdRange, ImageRecord, LayerIdmap, RootfsRequest, VolumeRequest } from "../types.ts";
import { DoubledCache } from "./doubled_cache.ts";
import { hideIdmapped, withIdmapped } from "./idmapped_layers.ts";
import { bindSubPath } from "./image_volume.ts";
import { LayerMounts } from "./layer_mounts.ts";
import { LingeringMounts } from "./lingering_mounts.ts";
import { chainId, mendingImage, mendingName } from "./mending_image.ts";
import { type DirectoryAttributes, layerView, MergedDirectories } from "./merged_directories.ts";
import { mountOverlay, mountOverlayOffThread, type Overlay } from "./overlay.ts";
import { prepareSharedFolder, releaseSharedFolder } from "./shared_folder.ts";
import { treeUsage } from "./tree_usage.ts";
import type { OverlayMethod, StorageFacts } from "./types.ts";
import { WritableFolders } from "./writable_folders.ts";

const ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
const DEFAULT_ROOT_MODE = 0o755;

/** The stack of an image's layers, ready to be overlaid. */
interface Stack {
  /** Topmost first. */
  lowers: string[];
  /** Undefined for an image without layers. */
  root: DirectoryAttributes | undefined;
}

/**
 * Root file systems of containers: an overlay over the layers at `<state>/rootfs/<id>`, the writable part below
 * `<root>/containers/<id>`. That of a pod with a user namespace is one folder deeper, as only its own users may pass.
 * Volumes made of images are here, too: overlays with nothing writable.
 */
export class RootFilesystems {
  readonly writable: WritableFolders;
  #kernel: Kernel;
  #logger: Logger;
  #store: LayerStore;
  #lingering: LingeringMounts;
  #layers: LayerMounts;
  #folder: string;
  #empty: string;
  #idmapped: string;
  #facts: () => StorageFacts;
  #doubled: DoubledCache;
  #queue = new KeyedQueue();
  /** Where each is mounted, by name. */
  #mounted = new Map<string, string>();
  /** Image by container. */
  #images = new Map<string, string>();
  /** By chain ID: the attributes of the root, and whether a mending image belongs on top. Stays true as layers never change. */
  #chains = new Map<string, { root: DirectoryAttributes; mended: boolean }>();

  constructor(
    options: {
      kernel: Kernel;
      programs: Programs;
      logger: Logger;
      store: LayerStore;
      root: string;
      state: string;
      facts: () => StorageFacts;
    },
  ) {
    this.#kernel = options.kernel;
    this.#logger = options.logger;
    this.#store = options.store;
    this.#folder = `${options.state}/rootfs`;
    this.#empty = `${options.state}/empty`;
    this.#idmapped = `${options.state}/idmapped`;
    this.#facts = options.facts;
    this.#lingering = new LingeringMounts(options.kernel);
    this.#layers = new LayerMounts({ ...options, folder: `${options.state}/layers`, lingering: this.#lingering });
    this.#doubled = new DoubledCache({ kernel: options.kernel, mounted: () => this.#mountedImages() });
    this.writable = new WritableFolders({
      kernel: options.kernel,
      folder: `${options.root}/containers`,
      trash: `${options.root}/trash`,
      logger: options.logger,
    });
  }

  async start(): Promise<void> {
    this.#layers.start();
    this.#kernel.mkdirs(this.#empty, 0o700);
    for (const mountPoint of prepareSharedFolder(this.#kernel, this.#folder)) {
      this.#mounted.set(mountPoint.slice(this.#folder.length + 1).split("/")[0], mountPoint);
    }
    hideIdmapped(this.#kernel, this.#idmapped);
    await this.writable.start();
    this.#doubled.start();
  }

  mount(request: RootfsRequest): Promise<{ root: string; upper: string }> {
    const { id, image, idmap } = request;
    const root = idmap ? `${this.#folder}/${id}/root` : `${this.#folder}/${id}`;
    return this.#once(id, image, root, async () => {
      const stack = await this.#stack(id, image);
      const writable = this.writable.create(id);
      this.#describe(writable.upper, stack.root, idmap);
      this.#kernel.mkdirs(root, 0o700);
      if (idmap) this.#admit(`${this.#folder}/${id}`, idmap);
      await this.#overlay(stack, idmap, { writable, target: root });
    }).then(() => ({ root, upper: this.writable.paths(id).upper }));
  }

  mountVolume(request: VolumeRequest): Promise<string> {
    const { id, image, subPath, idmap } = request;
    const target = `${this.#folder}/${id}`;
    return this.#once(id, image, target, async () => {
      const stack = await this.#stack(id, image);
      if (subPath === "") {
        this.#kernel.mkdirs(target, 0o700);
        await this.#overlay(stack, idmap, { target });
        return;
      }
      const base = `${target}.base`;
      this.#kernel.mkdirs(base, 0o700);
      await this.#overlay(stack, idmap, { target: base });
      try {
        bindSubPath(this.#kernel, base, subPath, target);
      } finally {
        // What was bound keeps the overlay alive.
        this.#kernel.umountNow(base, MNT_DETACH);
        this.#kernel.rmdir(base);
      }
    }).then(() => target);
  }

  #once(id: string, image: ImageRecord, target: string, mount: () => Promise<void>): Promise<void> {
    if (!ID.test(id)) throw new RpcError(Code.INVALID_ARGUMENT, `${JSON.stringify(id)} cannot name a root file system`);
    const { problem } = this.#facts();
    if (problem !== "") throw new RpcError(Code.FAILED_PRECONDITION, `no root file system can be made: ${problem}`);
    // From this turn on the image counts as used.
    this.#images.set(id, image.id);
    return this.#queue.run(id, async () => {
      if (this.#mounted.has(id)) return;
      this.#images.set(id, image.id);
      try {
        await mount();
        this.#mounted.set(id, target);
      } catch (error) {
        await this.#takeDown(id);
        throw error;
      }
    });
  }

  /** The opposite of start: takes down what is mounted once for all containers. What is in use stays mounted. */
  async stop(): Promise<void> {
    this.#doubled[Symbol.dispose]();
    await this.writable[Symbol.asyncDispose]();
    releaseSharedFolder(this.#kernel, this.#folder);
    this.#layers.stop();
  }

  unmount(id: string): Promise<void> {
    return this.#queue.run(id, () => this.#takeDown(id));
  }

  /** Containers whose root file systems or volumes, mounted or being mounted, are made of this image. */
  usersOf(imageId: string): string[] {
    return [...this.#images].filter(([, image]) => image === imageId).map(([id]) => id.split(".")[0]);
  }

  /** See {@link LingeringMounts.of}. */
  lingering(names: string[]): ReturnType<LingeringMounts["of"]> {
    return this.#lingering.of(names);
  }

  isLayerUsed(diffId: string): boolean {
    return this.isFolderUsed(digestHex(diffId));
  }

  /** By the name of a layer, or of what mends a stack of them. */
  isFolderUsed(name: string): boolean {
    return this.#layers.isUsed(name);
  }

  /** An image that was made of the stack is gone. Another one of the same layers may be in use. */
  async forgetChain(diffIds: string[]): Promise<void> {
    const chain = chainId(diffIds);
    if (this.#layers.isUsed(mendingName(chain))) return;
    this.#chains.delete(chain);
    this.#kernel.unlinkIfExists(this.#mendingFile(chain));
    await this.#store.folders.remove(mendingName(chain));
  }

  /** After a restart: counts the layers of what is mounted again, and takes down what no container knows. */
  async recover(known: { id: string; image: ImageRecord | undefined }[]): Promise<void> {
    const containers = new Map(known.map(({ id, image }) => [id, { image }]));
    const mounts = new Map(mountsBelow(this.#folder, this.#kernel).map((mount) => [mount.mountPoint, mount]));
    for (const [id, mountPoint] of [...this.#mounted]) {
      const container = containers.get(id);
      if (!container) {
        this.#logger.warn("a root file system of no container is taken down", { id });
        await this.unmount(id);
        continue;
      }
      // What the kernel says counts, even of a container whose image got lost; mount(2) keeps no names that mean anything.
      const options = mounts.get(mountPoint)?.superOptions ?? [];
      for (const name of this.#layers.namesIn(options, this.#idmapped)) this.#layers.count(name, id);
      if (!container.image) continue;
      this.#images.set(id, container.image.id);
      for (const diffId of container.image.layers) this.#layers.count(digestHex(diffId), id);
      this.#layers.count(mendingName(chainId(container.image.layers)), id);
    }
    for (const id of this.writable.ids()) if (!containers.has(id)) this.writable.discard(id);
    await this.#layers.unmountUnused();
  }

  /**
   * After recover: takes away unpacked layers that are of no use, which are all where images are mounted, and counts what is
   * left. What is mounted stays.
   */
  async tidyFolders(): Promise<void> {
    const needed = !this.#facts().layers.startsWith("erofs");
    const unused = this.#store.folders.list().filter((name) =>
      FOLDER_NAME.test(name) && !this.#layers.isUsed(name) && !(needed && this.#store.knowsFolder(name))
    );
    for (const name of unused) await this.#store.dropFolder(name);
    if (unused.length > 0) this.writable.emptyTrash();
    for (const name of this.#store.uncountedFolders()) {
      this.#store.countOtherFolder(name, await treeUsage(this.#kernel, this.#store.folders.path(name)));
    }
  }

  async #overlay(
    stack: Stack,
    idmap: LayerIdmap | undefined,
    part: Pick<Overlay, "writable" | "target">,
  ): Promise<void> {
    const { overlay, volatile } = this.#facts();
    const nothing = stack.lowers.length === 0;
    if (nothing && !part.writable) return this.#kernel.mount(this.#empty, part.target, null, MS_BIND);
    // Overlayfs wants two layers where nothing is writable.
    const whole = (lowers: string[]) => ({
      ...part,
      lowers: nothing || !part.writable ? [...lowers, this.#empty] : lowers,
      volatile,
    });
    const method = overlay as OverlayMethod;
    if (!idmap) return await mountOverlayOffThread(this.#kernel, method, whole(stack.lowers));
    if (!this.#facts().idmapped) {
      throw new RpcError(
        Code.FAILED_PRECONDITION,
        "this kernel cannot show layers through the mappings of a user namespace: Linux 5.19 can",
      );
    }
    const make = (lowers: string[]) => mountOverlay(this.#kernel, method, whole(lowers));
    withIdmapped(this.#kernel, this.#idmapped, stack.lowers, idmap.userns, make);
  }

  async #stack(id: string, image: ImageRecord): Promise<Stack> {
    // A layer that is there twice counts where it is on top: it hides its other self entirely.
    const diffIds = [...new Set(image.layers.toReversed())];
    if (diffIds.length === 0) return { lowers: [], root: undefined };
    const paths = await Promise.all(diffIds.map((diffId) =>
      this.#acquire(digestHex(diffId), id, {
        file: this.#store.path(diffId),
        folder: () => this.#store.unpacked(diffId),
      })
    ));
    const chain = chainId(image.layers);
    const { root, mended } = await this.#chain(chain, diffIds, paths);
    return { lowers: [...mended ? [await this.#acquireMending(chain, id)] : [], ...paths], root };
  }

  #acquireMending(chain: string, id: string): Promise<string> {
    const [name, file] = [mendingName(chain), this.#mendingFile(chain)];
    const { folders } = this.#store;
    return this.#acquire(name, id, { file, folder: () => folders.make(name, file).then(() => folders.path(name)) });
  }

  async #chain(
    chain: string,
    diffIds: string[],
    paths: string[],
  ): Promise<{ root: DirectoryAttributes; mended: boolean }> {
    const known = this.#chains.get(chain);
    if (known) return known;
    const views = paths.map((path, index) => layerView(path, this.#store.get(diffIds[index])!));
    const directories = new MergedDirectories(this.#kernel, views);
    const mending = await mendingImage(directories, chain);
    const result = { root: await directories.attributes(""), mended: mending !== undefined };
    if (mending) {
      this.#kernel.replaceFile(this.#mendingFile(chain), mending);
      // What is there may be of another time, when other directories were to mend.
      if (!this.#layers.isUsed(mendingName(chain))) await this.#store.folders.remove(mendingName(chain));
    }
    this.#chains.set(chain, result);
    return result;
  }

  #acquire(name: string, id: string, layer: { file: string; folder: () => Promise<string> }): Promise<string> {
    const { layers } = this.#facts();
    return this.#layers.acquire(name, layer, layers as Exclude<typeof layers, "none">, id);
  }

  /** overlayfs takes the root's attributes from the upper folder, which nobody described. */
  #describe(upper: string, attributes: DirectoryAttributes | undefined, idmap: LayerIdmap | undefined): void {
    const { uid, gid, mode } = attributes?.stat ?? { uid: 0, gid: 0, mode: DEFAULT_ROOT_MODE };
    this.#kernel.chown(upper, outside(uid, idmap?.uids), outside(gid, idmap?.gids));
    this.#kernel.chmod(upper, mode & 0o7777);
    const xattrs = attributes?.xattrs ?? [];
    for (const { name, value } of xattrs) this.#kernel.setxattr(upper, name, value);
  }

  /** Root of the namespace must get through to what is mounted inside, and nobody else of this node. */
  #admit(folder: string, { gids }: LayerIdmap): void {
    this.#kernel.chown(folder, 0, gids.host);
    this.#kernel.chmod(folder, 0o710);
  }

  async #takeDown(id: string): Promise<void> {
    if (!ID.test(id)) return;
    const target = this.#mounted.get(id);
    if (target !== undefined) {
      try {
        await this.#kernel.umount(target, 0);
      } catch (error) {
        if (!isErrno(error, EBUSY)) throw error;
        this.#logger.warn("a root file system is still in use; it is unmounted lazily", { id });
        this.#lingering.note(target, this.#layers.of(id));
        await this.#kernel.umount(target, MNT_DETACH);
      }
      this.#mounted.delete(id);
    }
    for (const path of [`${this.#folder}/${id}/root`, `${this.#folder}/${id}`]) await this.#removeMountPoint(path);
    this.writable.discard(id);
    await this.#layers.release(id);
    this.#images.delete(id);
  }

  async #removeMountPoint(path: string): Promise<void> {
    if (!this.#kernel.exists(path)) return;
    if ((this.#kernel.lstat(path).mode & S_IFMT) === S_IFDIR) await this.#kernel.rmdirOffThread(path);
    else this.#kernel.unlink(path);
  }

  /** Of this node alone, so a layer of another store is not there: to open it may wait for a file system that is dead. */
  #mountedImages(): string[] {
    if (!this.#facts().layers.startsWith("erofs")) return [];
    return this.#layers.mounted.map((name) => `${this.#store.folder}/${name}.erofs`);
  }

  #mendingFile(chain: string): string {
    return this.#store.imageFile(mendingName(chain));
  }
}

/** What an ID of the image is on the node. RpcError FAILED_PRECONDITION for one that the namespace has not. */
function outside(id: number, range: IdRange | undefined): number {
  if (!range) return id;
  if (id < range.size) return range.host + id;
  throw new RpcError(
    Code.FAILED_PRECONDITION,
    `the root of the image belongs to ID ${id}, and the pod's user namespace has only ${range.size}`,
  );
}
