import { messageOf } from "../../rpc/status.ts";
import { type Kernel, MNT_DETACH, type Programs } from "../../sys/mod.ts";
import { SUPERBLOCK_AREA, writeImage } from "../erofs/image.ts";
import { Inode, S_IFREG } from "../erofs/inode.ts";
import { BufferOutput } from "./buffer_output.ts";
import { bindFolder, mountImage } from "./layer_mounts.ts";
import { hideIdmapped, withIdmapped } from "./idmapped_layers.ts";
import { mountOverlay } from "./overlay.ts";
import type { LayerMethod, OverlayMethod, StorageFacts } from "./types.ts";
import { unpackImage } from "../unpack/unpack.ts";

/** Before anything was tried. */
export const NOT_PROBED: StorageFacts = {
  layers: "none",
  overlay: "none",
  volatile: false,
  idmapped: false,
  why: "",
  problem: "the image service was not started",
};

const CONTENT = new TextEncoder().encode("skiff");

/** Where things are while storage is tried out. */
interface Probe {
  kernel: Kernel;
  programs: Programs;
  /** On the store's file system. */
  store: string;
  mounts: string;
}

/** A whole cycle: write an image, mount it, overlay it, change a file, take all down again. */
export async function probeStorage(
  options: { kernel: Kernel; programs: Programs; root: string; state: string },
): Promise<StorageFacts> {
  const { kernel, programs } = options;
  const facts: StorageFacts = { ...NOT_PROBED, problem: "" };
  const store = `${options.root}/probe`;
  const mounts = `${options.state}/probe`;
  await removeProbe(kernel, store, mounts);
  try {
    for (const folder of [store, `${mounts}/layer`, `${mounts}/root`]) kernel.mkdirs(folder, 0o700);
    const refusals = await probeLayers({ kernel, programs, store, mounts }, facts);
    if (facts.layers === "none") {
      facts.problem = `layers can be mounted neither as EROFS images nor as folders: ${refusals.join("; ")}`;
      return facts;
    }
    const { problem, refused } = await probeOverlay(kernel, store, mounts, facts);
    facts.problem = problem;
    facts.why = [...refusals, ...refused].join("; ");
    if (facts.overlay !== "none") facts.idmapped = probeIdmapped(kernel, store, mounts, facts.overlay);
    return facts;
  } catch (error) {
    facts.problem = `trying the storage out failed: ${messageOf(error)}`;
    return facts;
  } finally {
    await removeProbe(kernel, store, mounts);
  }
}

/** What each form needs of the kernel. */
const NEEDS: Record<LayerMethod, string> = {
  "erofs-file": "Linux 6.12 with CONFIG_EROFS_FS and CONFIG_EROFS_FS_BACKED_BY_FILE",
  "erofs-loop": "CONFIG_EROFS_FS and CONFIG_BLK_DEV_LOOP",
  "folder": "mknod(2) and trusted xattrs on the store's file system",
};

/** Mounts a layer in the best form that works, and says why the better ones do not. */
async function probeLayers({ kernel, programs, store, mounts }: Probe, facts: StorageFacts): Promise<string[]> {
  const image = `${store}/image.erofs`;
  const target = `${mounts}/layer`;
  kernel.writeFile(image, probeImage());
  const refusals: string[] = [];
  for (const method of ["erofs-file", "erofs-loop", "folder"] as const) {
    try {
      if (method === "folder") {
        kernel.mkdir(`${store}/folder`, 0o700);
        await unpackImage(kernel, programs, { image, folder: `${store}/folder`, entries: PROBE_ENTRIES });
        bindFolder(kernel, `${store}/folder/tree`, target);
      } else await mountImage(kernel, programs, method, image, target);
      if (kernel.readText(`${target}/file`) !== "skiff") throw new Error("the file in the image reads wrong");
      facts.layers = method;
      break;
    } catch (error) {
      refusals.push(`${method} (${NEEDS[method]}): ${messageOf(error)}`);
    }
  }
  return refusals;
}

async function probeOverlay(
  kernel: Kernel,
  store: string,
  mounts: string,
  facts: StorageFacts,
): Promise<{ problem: string; refused: string[] }> {
  const refusals: string[] = [];
  for (const method of ["lowerdir+", "mount"] as const) {
    for (const volatile of [true, false]) {
      const folder = `${store}/${method}-${volatile}`;
      const [upper, work, target] = [`${folder}/upper`, `${folder}/work`, `${mounts}/root`];
      kernel.mkdirs(upper, 0o700);
      kernel.mkdirs(work, 0o700);
      try {
        mountOverlay(kernel, method, { lowers: [`${mounts}/layer`], writable: { upper, work }, target, volatile });
        try {
          // Opening for writing copies the file up, with its attributes.
          kernel.chmod(`${target}/file`, 0o600);
          if (kernel.readText(`${target}/file`) !== "skiff") throw new Error("a copied-up file reads wrong");
        } finally {
          await kernel.umount(target, 0);
        }
        facts.overlay = method;
        facts.volatile = volatile;
        return { problem: "", refused: refusals };
      } catch (error) {
        refusals.push(`${method}${volatile ? " (volatile)" : ""}: ${messageOf(error)}`);
      }
    }
  }
  const problem =
    `overlayfs does not work over layers with ${store} above them (is the store itself on an overlay or on NFS?): ${
      refusals.join("; ")
    }`;
  return { problem, refused: [] };
}

const OUTSIDE = 100_000;
const PROBE_ENTRIES = 10;

/** Root's file in the image must belong to the namespace's root, also after it was changed. */
function probeIdmapped(kernel: Kernel, store: string, mounts: string, method: OverlayMethod): boolean {
  const [upper, work, target] = [`${store}/idmapped/upper`, `${store}/idmapped/work`, `${mounts}/root`];
  kernel.mkdirs(upper, 0o700);
  kernel.mkdirs(work, 0o700);
  const map = `0 ${OUTSIDE} 65536`;
  try {
    kernel.inUserNamespace(
      0,
      map,
      map,
      (pid) =>
        withIdmapped(
          kernel,
          `${mounts}/idmapped`,
          [`${mounts}/layer`],
          `/proc/${pid}/ns/user`,
          (lowers) => mountOverlay(kernel, method, { lowers, writable: { upper, work }, target, volatile: true }),
        ),
    );
    try {
      kernel.chmod(`${target}/file`, 0o600);
      return kernel.lstat(`${upper}/file`).uid === OUTSIDE && kernel.lstat(`${target}/file`).uid === OUTSIDE;
    } finally {
      kernel.umountNow(target, MNT_DETACH);
    }
  } catch {
    // An older kernel, or user namespaces are switched off: Status says that there are none.
    return false;
  }
}

function probeImage(): Uint8Array {
  const root = Inode.impliedDirectory();
  const file = new Inode(S_IFREG | 0o644);
  file.size = CONTENT.length;
  file.dataOffset = SUPERBLOCK_AREA;
  root.children!.set("file", file);
  // What only layers have: folders must be able to hold them, too.
  const opaque = Inode.impliedDirectory();
  opaque.opaque = true;
  opaque.children!.set("gone", Inode.whiteout());
  root.children!.set("opaque", opaque);
  const output = new BufferOutput();
  output.write(CONTENT, SUPERBLOCK_AREA);
  const { length } = writeImage(root, output, SUPERBLOCK_AREA + CONTENT.length, new Uint8Array(16).fill(1));
  return output.bytes(length);
}

async function removeProbe(kernel: Kernel, store: string, mounts: string): Promise<void> {
  for (const mountPoint of [`${mounts}/root`, `${mounts}/layer`]) {
    await kernel.umount(mountPoint, MNT_DETACH).catch(() => {});
  }
  hideIdmapped(kernel, `${mounts}/idmapped`);
  await kernel.removeTree(mounts);
  await kernel.removeTree(store);
}
