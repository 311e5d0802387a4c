import * as descriptors from "./descriptors.ts";
import * as directories from "./directories.ts";
import * as files from "./files.ts";
import type { Kernel } from "./kernel.ts";
import * as mounts from "./mounts.ts";
import * as namespaces from "./namespaces.ts";
import { setLoopbackUp } from "./netlink.ts";
import * as offThread from "./off_thread.ts";
import * as processCalls from "./process_calls.ts";
import { removeTree } from "./remove_tree.ts";
import * as status from "./stat.ts";
import { makePatient } from "./thread_priority.ts";
import { inUserNamespace } from "./user_namespace.ts";

/** The kernel under this process, reached through libc. Importing this loads nothing: the first call does. */
export class LibcKernel implements Kernel {
  readonly open = descriptors.open;
  readonly openat2 = descriptors.openat2;
  readonly close = descriptors.close;
  readonly read = descriptors.read;
  readonly write = descriptors.write;
  readonly pread = descriptors.pread;
  readonly pwrite = descriptors.pwrite;
  readonly ftruncate = descriptors.ftruncate;
  readonly fchmod = descriptors.fchmod;
  readonly fchown = descriptors.fchown;
  readonly fdatasync = offThread.fdatasync;
  readonly fsync = offThread.fsync;

  readonly readFile = files.readFile;
  readonly readText = files.readText;
  readonly writeFile = files.writeFile;
  readonly replaceFile = files.replaceFile;
  readonly writeControl = files.writeControl;
  readonly writeControlOffThread = offThread.writeControlOffThread;
  readonly readDirectory = directories.readDirectory;
  readonly exists = status.exists;
  readonly stat = status.stat;
  readonly lstat = status.lstat;
  readonly fstat = status.fstat;
  readonly statfs = status.statfs;
  readonly mkdirs = directories.mkdirs;
  readonly mkdir = directories.mkdir;
  readonly rmdir = directories.rmdir;
  readonly rmdirOffThread = offThread.rmdirOffThread;
  readonly unlink = files.unlink;
  readonly unlinkIfExists = files.unlinkIfExists;
  readonly unlinkOffThread = offThread.unlinkOffThread;
  readonly rename = files.rename;
  readonly link = files.link;
  readonly symlink = files.symlink;
  readonly readlink = files.readlink;
  readonly chmod = files.chmod;
  readonly chown = files.chown;
  readonly mknod = files.mknod;
  readonly mkfifo = files.mkfifo;
  readonly setxattr = files.setxattr;
  readonly getxattr = files.getxattr;
  readonly listxattr = files.listxattr;
  readonly removeTree = removeTree;

  readonly mount = mounts.mount;
  readonly mountFrom = mounts.mountFrom;
  readonly umount = offThread.umount;
  readonly umountNow = mounts.umountNow;
  readonly fsopen = mounts.fsopen;
  readonly fsconfigString = mounts.fsconfigString;
  readonly fsconfigFlag = mounts.fsconfigFlag;
  readonly fsconfigFd = mounts.fsconfigFd;
  readonly fsconfigCreate = mounts.fsconfigCreate;
  readonly fsconfigCreateOffThread = mounts.fsconfigCreateOffThread;
  readonly fsmount = mounts.fsmount;
  readonly moveMount = mounts.moveMount;
  readonly openTree = mounts.openTree;
  readonly mountSetattr = mounts.mountSetattr;

  readonly kill = processCalls.kill;
  readonly pidfdOpen = processCalls.pidfdOpen;
  readonly pidfdSendSignal = processCalls.pidfdSendSignal;
  readonly makePatient = makePatient;
  readonly getpid = processCalls.getpid;
  readonly umask = processCalls.umask;
  readonly prctl = processCalls.prctl;
  readonly getrlimit = processCalls.getrlimit;

  readonly inNewNamespaces = namespaces.inNewNamespaces;
  readonly inNamespaces = namespaces.inNamespaces;
  readonly inUserNamespace = inUserNamespace;
  readonly setLoopbackUp = setLoopbackUp;
}

/** The one kernel of this process. */
export const kernel: Kernel = new LibcKernel();
