/** Starts each guest, and has its file below inside/ run in it. */
import { systemdUnavailable, unavailable } from "./machine.ts";
import { testsInGuest } from "./steps.ts";

const given = { gibibytes: 4, timeout: 15 * 60_000, patience: 3 };

testsInGuest("In a guest with Linux 6.1, cgroup v2 alone and every capability", {
  ...given,
  processOne: "init",
  tests: "guest/inside/main.ts",
  missing: unavailable(),
});
testsInGuest("In a guest whose process 1 is systemd", {
  ...given,
  processOne: "systemd",
  tests: "guest/inside/systemd/main.ts",
  missing: systemdUnavailable(),
});
