import type { Kernel } from "../../sys/mod.ts";
import { Code, RpcError } from "../../rpc/status.ts";
import type { OverlayMethod } from "./types.ts";

export interface Overlay {
  /** Topmost first; at least one, and two where nothing is writable. */
  lowers: string[];
  /** Without one it is read-only. */
  writable?: { upper: string; work: string };
  target: string;
  /** No syncs: what is in the upper folder is of no use after a crash. */
  volatile: boolean;
}

/** overlayfs's own limit on lower layers. */
const MAX_LOWERS = 500;
/** mount(2) reads one page and silently cuts what is longer. */
const MAX_OPTIONS = 4095;

/** As {@link mountOverlay}; what the kernel writes into the work folder is waited for without holding anybody up. */
export async function mountOverlayOffThread(kernel: Kernel, method: OverlayMethod, overlay: Overlay): Promise<void> {
  if (method !== "lowerdir+") return mountOverlay(kernel, method, overlay);
  checkCount(overlay);
  const context = kernel.fsopen("overlay");
  try {
    describe(kernel, context, overlay);
    await kernel.fsconfigCreateOffThread(context);
    attach(kernel, context, overlay.target);
  } finally {
    kernel.close(context);
  }
}

export function mountOverlay(kernel: Kernel, method: OverlayMethod, overlay: Overlay): void {
  checkCount(overlay);
  if (method === "lowerdir+") mountByContext(kernel, overlay);
  else mountByOptions(kernel, overlay);
}

function checkCount(overlay: Overlay): void {
  if (overlay.lowers.length > MAX_LOWERS) {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `the image has ${overlay.lowers.length} layers; overlayfs takes ${MAX_LOWERS}`,
    );
  }
}

function mountByContext(kernel: Kernel, overlay: Overlay): void {
  const context = kernel.fsopen("overlay");
  try {
    describe(kernel, context, overlay);
    kernel.fsconfigCreate(context);
    attach(kernel, context, overlay.target);
  } finally {
    kernel.close(context);
  }
}

function describe(kernel: Kernel, context: number, { lowers, writable, volatile }: Overlay): void {
  kernel.fsconfigString(context, "source", "overlay");
  for (const lower of lowers) kernel.fsconfigString(context, "lowerdir+", lower);
  if (writable) {
    kernel.fsconfigString(context, "upperdir", writable.upper);
    kernel.fsconfigString(context, "workdir", writable.work);
    kernel.fsconfigString(context, "index", "off");
  }
  if (writable && volatile) kernel.fsconfigFlag(context, "volatile");
}

function attach(kernel: Kernel, context: number, target: string): void {
  const mount = kernel.fsmount(context, 0);
  try {
    kernel.moveMount(mount, target);
  } finally {
    kernel.close(mount);
  }
}

/** Numbered symlinks keep each layer at a few bytes; they are resolved while mount(2) runs and can go afterwards. */
function mountByOptions(kernel: Kernel, { lowers, writable, target, volatile }: Overlay): void {
  const folder = `${target}.lowers`;
  kernel.mkdirs(folder, 0o700);
  try {
    lowers.forEach((lower, index) => {
      kernel.unlinkIfExists(`${folder}/${index}`);
      kernel.symlink(lower, `${folder}/${index}`);
    });
    const options = [
      `lowerdir=${lowers.map((_, index) => index).join(":")}`,
      ...writable ? [`upperdir=${writable.upper}`, `workdir=${writable.work}`, "index=off"] : [],
      ...writable && volatile ? ["volatile"] : [],
    ].join(",");
    if (options.length > MAX_OPTIONS) {
      throw new RpcError(
        Code.FAILED_PRECONDITION,
        `the image has too many layers (${lowers.length}) for mount(2) on this kernel; Linux 6.5 has no such limit`,
      );
    }
    kernel.mountFrom(folder, "overlay", target, "overlay", 0, options);
  } finally {
    lowers.forEach((_, index) => kernel.unlinkIfExists(`${folder}/${index}`));
    kernel.rmdir(folder);
  }
}
