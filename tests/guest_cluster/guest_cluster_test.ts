/** A Kubernetes cluster comes up in guests that have what this machine may lack: see inside.ts. */
import { systemdUnavailable, unavailable } from "../guest/machine.ts";
import { testsInGuest } from "../guest/steps.ts";
import { pauseImage } from "../images/pause.ts";
import { programImage } from "../images/program.ts";
import { programs } from "../kubelet/options.ts";
import { exists } from "../support/tools.ts";

const given = { tests: "guest_cluster/inside.ts", gibibytes: 6, timeout: 60 * 60_000, patience: 6, prepare };
const noKubernetes = exists(`${programs}/kubelet`) ? undefined : "no Kubernetes: run scripts/setup --kubernetes";

testsInGuest("A cluster on cgroup v2 alone, with the driver cgroupfs", {
  ...given,
  processOne: "init",
  missing: unavailable() ?? noKubernetes,
});
testsInGuest("A cluster under systemd, with its driver", {
  ...given,
  processOne: "systemd",
  missing: systemdUnavailable() ?? noKubernetes,
});

async function prepare(): Promise<void> {
  await pauseImage();
  if (exists(`${programs}/agnhost`)) await programImage("agnhost", `${programs}/agnhost`);
}
