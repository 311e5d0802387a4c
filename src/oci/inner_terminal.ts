import type { Kernel } from "../sys/kernel.ts";
import { pidfdGetfd, resizePty } from "../sys/mod.ts";
import { unlessGone } from "./unless_gone.ts";

/** What the link of a pty's master end reads, in the host's and in a container's devpts. */
const MASTER = /^\/dev\/(pts\/)?ptmx$/;
const DESCRIPTORS_MAX = 4_096;

/**
 * Sets the size of the terminal that a runtime holds for the command which it runs. The runtime itself learns of a change
 * only on its controlling terminal, and then crun (seen: 1.8.1) passes on the signal without the size.
 * `pid` is the runtime, our own child that has not been reaped.
 */
export function resizeInnerTerminal(kernel: Kernel, pid: number, rows: number, columns: number): void {
  unlessGone(() => {
    const folder = `/proc/${pid}/fd`;
    const master = kernel.readDirectory(folder, DESCRIPTORS_MAX).find(({ name }) =>
      MASTER.test(unlessGone(() => kernel.readlink(`${folder}/${name}`)) ?? "")
    );
    if (master === undefined) return;
    const pidfd = kernel.pidfdOpen(pid);
    try {
      const fd = pidfdGetfd(pidfd, Number(master.name));
      try {
        resizePty(fd, rows, columns);
      } finally {
        kernel.close(fd);
      }
    } finally {
      kernel.close(pidfd);
    }
  });
}
