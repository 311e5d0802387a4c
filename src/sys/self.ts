import { EXDEV, isErrno } from "./errno.ts";
import type { Kernel, Stat } from "./kernel.ts";

interface KeptExecutable {
  kernel: Kernel;
  path: string;
  identity: Stat;
  link?: string;
  whyNoLink: string;
}

let kept: KeptExecutable | undefined;

/**
 * Makes sure that this very executable can be started again after somebody has put another one in its place: an upgrade
 * replaces the file while the daemon runs, and the daemon's children must be of its own version. A second name in `folder`
 * costs nothing; where it cannot be made (another file system), {@link selfCommand} says so when it comes to that.
 */
export function keepExecutable(kernel: Kernel, folder: string): Disposable {
  const path = Deno.execPath();
  const link = `${folder}/skiff.running`;
  kernel.unlinkIfExists(link);
  kept = { kernel, path, identity: kernel.stat(path), whyNoLink: "" };
  try {
    kernel.link(path, link);
    kept.link = link;
  } catch (error) {
    kept.whyNoLink = isErrno(error, EXDEV) ? `${folder} is on another file system` : String(error);
  }
  return { [Symbol.dispose]: () => kernel.unlinkIfExists(link) };
}

/** The program and arguments that start this executable again with a hidden command word. */
export function selfCommand(word: string): string[] {
  if (!Deno.build.standalone) {
    return [Deno.execPath(), "run", "--quiet", "-A", new URL("../../main.ts", import.meta.url).pathname, word];
  }
  return [kept ? ownExecutable(kept) : Deno.execPath(), word];
}

function ownExecutable({ kernel, path, identity, link, whyNoLink }: KeptExecutable): string {
  if (kernel.exists(path)) {
    const now = kernel.stat(path);
    if (now.ino === identity.ino && now.dev === identity.dev) return path;
  }
  if (link !== undefined) return link;
  throw new Error(
    `${path} was replaced while this daemon runs, and no second name of it could be kept (${whyNoLink}): restart skiff`,
  );
}
