import { CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUTS, O_RDONLY } from "./constants.ts";
import { close, open } from "./descriptors.ts";
import { failure } from "./errno.ts";
import { errno, libc } from "./libc_symbols.ts";

// A user or mount namespace cannot be joined by one thread of a process that shares its file system state with others.
const FILES: [flag: number, name: string][] = [
  [CLONE_NEWNET, "net"],
  [CLONE_NEWIPC, "ipc"],
  [CLONE_NEWUTS, "uts"],
  [CLONE_NEWCGROUP, "cgroup"],
];

const EXIT_SOFTWARE = 70;

interface Held {
  flag: number;
  fd: number;
}

/** Descriptors of the namespaces that the thread is in now. */
function holdCurrent(flags: number): Held[] {
  let rest = flags;
  const held: Held[] = [];
  try {
    for (const [flag, name] of FILES) {
      if ((flags & flag) === 0) continue;
      rest &= ~flag;
      held.push({ flag, fd: open(`/proc/thread-self/ns/${name}`, O_RDONLY) });
    }
    if (rest !== 0) {
      throw new RangeError(
        `Cannot enter namespaces 0x${(rest >>> 0).toString(16)}: only net, ipc, uts and cgroup can be left again`,
      );
    }
    return held;
  } catch (error) {
    release(held);
    throw error;
  }
}

function release(held: Held[]): void {
  for (const { fd } of held) close(fd);
}

function goBack(held: Held[]): void {
  for (const { flag, fd } of held) {
    if (libc().setns(fd, flag) === 0) continue;
    const code = errno();
    // From here on every call of this thread would act on some pod's namespaces. Nothing is safer than to stop.
    console.error(
      `skiff: cannot return to the host's namespace: ${failure(code, "setns", `flag 0x${flag.toString(16)}`).message}`,
    );
    Deno.exit(EXIT_SOFTWARE);
  }
}

export function inNewNamespaces<T>(flags: number, inside: () => T): T {
  const held = holdCurrent(flags);
  try {
    if (libc().unshare(flags) < 0) throw failure(errno(), "unshare", `flags 0x${(flags >>> 0).toString(16)}`);
    try {
      return inside();
    } finally {
      goBack(held);
    }
  } finally {
    release(held);
  }
}

export function inNamespaces<T>(entries: { path: string; flag: number }[], inside: () => T): T {
  const held = holdCurrent(entries.reduce((all, entry) => all | entry.flag, 0));
  const targets: Held[] = [];
  try {
    for (const { path, flag } of entries) targets.push({ flag, fd: open(path, O_RDONLY) });
    try {
      for (const [index, { flag, fd }] of targets.entries()) {
        if (libc().setns(fd, flag) < 0) throw failure(errno(), "setns", entries[index].path);
      }
      return inside();
    } finally {
      goBack(held);
    }
  } finally {
    release(targets);
    release(held);
  }
}
