/** Which runs of critest make up the suite. */
import type { CritestOptions } from "./critest.ts";

/** The transport changes nothing but these specs. */
const streaming = "Streaming";

/** `full`: every runtime, three random orders each, and every spec over WebSocket too. */
export function plan(full: boolean): CritestOptions[] {
  if (!full) {
    return [
      { runtime: "runc" },
      { runtime: "runc", websocket: true, focus: streaming },
      { runtime: "crun" },
      { runtime: "crun", websocket: true, focus: streaming },
    ];
  }
  const runtimes = ["runc", "crun", "runc-debian"] as const;
  return runtimes.flatMap((runtime) => [
    ...Array.from({ length: 3 }, () => ({ runtime })),
    { runtime, websocket: true },
  ]);
}
