/** The machine's System V shared memory: critest makes segments there to look for them, and leaves them. */
import { run } from "../support/command.ts";

/** critest asks ipcmk for exactly this many bytes. */
const CRITEST_SEGMENT_BYTES = "1048576";

/** Identifiers of segments that may be critest's: of its size, root's, attached by nobody. */
export function loneSegments(): string[] {
  const rows = Deno.readTextFileSync("/proc/sysvipc/shm").trim().split("\n").slice(1);
  return rows.map((row) => row.trim().split(/\s+/))
    .filter(([, , , size, , , attached, uid]) => size === CRITEST_SEGMENT_BYTES && attached === "0" && uid === "0")
    .map(([, id]) => id);
}

export async function removeSegmentsSince(before: string[]): Promise<void> {
  for (const id of loneSegments()) {
    if (!before.includes(id)) await run("ipcrm", ["--shmem-id", id]);
  }
}
