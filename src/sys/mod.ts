/** The door of `sys`: the only folder that calls libc or starts a program. */
export type { Kernel, Stat, StatFs } from "./kernel.ts";
export { Errno } from "./kernel.ts";
export type { AsyncFd, Child, Programs, RunOptions, RunResult, SpawnOptions } from "./programs.ts";
export * from "./constants.ts";
export * from "./errno.ts";
export { kernel, LibcKernel } from "./libc.ts";
export { programs } from "./run.ts";
export { asyncFd } from "./async_fd.ts";
export { poller } from "./poller.ts";
export { enlargePipe, openPty, pipe, resizePty, unreadBytes } from "./pipes.ts";
export type { RecordedCall } from "./call_recorder.ts";
export { RecordingKernel } from "./recording.ts";
export {
  bootId,
  boundingCapabilities,
  canRun,
  isAlive,
  minOomScoreAdj,
  openProcess,
  processEnd,
  processGroup,
  type ProcessIdentity,
  processIdentity,
  rlimits,
  selfCgroup,
  signalProcess,
} from "./processes.ts";
export { type MountInfo, mountsBelow, parseMountInfo } from "./mountinfo.ts";
export { KeyedQueue } from "./keyed_queue.ts";
export { readKeyPair } from "./key_pair.ts";
export { within } from "./within.ts";
export { watchDirectory } from "./watch_directory.ts";
export { ATTEND_MISUSED, attendProgram } from "./attend/program.ts";
export { pauseProgram } from "./pause/program.ts";
export { favourThisThread } from "./thread_priority.ts";
export { limitHeaps, releaseMemory } from "./memory.ts";
export { keepExecutable, selfCommand } from "./self.ts";
export { hasNoWriter, isOpenElsewhere } from "./lease.ts";
export { findHolders, type Held, type Holder } from "./holders.ts";
export { type EntryAttributes, TreeMaker } from "./tree_maker.ts";
export { TreeReader } from "./tree_reader.ts";
export { makeDevice } from "./stat.ts";
export { copyRange } from "./copy_range.ts";
export { forgetCached, syncFileSystem } from "./off_thread.ts";
export { SharedWork } from "./shared_work.ts";
export { withOpen } from "./with_open.ts";
export { lockFile } from "./lock_file.ts";
export { connectSeqpacket, shutdownWrite } from "./unix_seqpacket.ts";
export { ConsoleSocket } from "./console_socket.ts";
export { connectLoopback, type LoopbackAddress } from "./connect_loopback.ts";
export { pidfdGetfd } from "./pidfd_getfd.ts";
export { setRawPty } from "./raw_terminal.ts";
