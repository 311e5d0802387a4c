import { messageOf } from "../rpc/status.ts";
import {
  kernel,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REMOUNT,
  PR_SET_PDEATHSIG,
  SIGKILL,
} from "../sys/mod.ts";
import { sayLine } from "./say_line.ts";

/** What `skiff __store` reads on its standard input. */
export interface StoreTask {
  folder: string;
  /** The node's own store. */
  own: string;
  /** Where the database is copied to. */
  copy: string;
  /** Where the layers are shown. */
  shown: string;
}

/** What `skiff __store` says on its standard error. */
export type StoreEvent = { event: "read"; files: string[] } | { event: "error"; message: string };

/** Larger databases are taken for damaged. */
const MAX_DATABASE = 256 << 20;
/** Of the mount through which layers are read: whatever this node does, the store stays as it is. */
const READ_ONLY = MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC;

/**
 * `skiff __store`: does for the daemon what would stop it where an additional store is on a file system that does not
 * answer: looks there, copies the database, shows the layers, and lists them.
 */
export async function main(_args: string[]): Promise<number> {
  try {
    // What a daemon that died had begun is begun again.
    kernel.prctl(PR_SET_PDEATHSIG, SIGKILL);
    read(JSON.parse(await new Response(Deno.stdin.readable).text()) as StoreTask);
    return 0;
  } catch (error) {
    say({ event: "error", message: messageOf(error) });
    return 1;
  }
}

function read({ folder, own, copy, shown }: StoreTask): void {
  const [ours, theirs] = [kernel.stat(own), kernel.stat(folder)];
  if (ours.dev === theirs.dev && ours.ino === theirs.ino) throw new Error("it is this node's own store");
  if (!kernel.exists(`${folder}/store.db`)) throw new Error("it has no store.db, so it is not the `root` of a skiff");
  for (const end of ["", "-wal"]) {
    const file = `${folder}/store.db${end}`;
    if (kernel.exists(file)) kernel.writeFile(`${copy}${end}`, kernel.readFile(file, MAX_DATABASE), 0o600);
  }
  kernel.mkdirs(shown, 0o700);
  kernel.mount(`${folder}/layers`, shown, null, MS_BIND);
  kernel.mount("none", shown, null, MS_BIND | MS_REMOUNT | READ_ONLY);
  say({ event: "read", files: kernel.readDirectory(shown, Number.MAX_SAFE_INTEGER).map(({ name }) => name) });
}

function say(event: StoreEvent): void {
  sayLine(Deno.stderr, event);
}
