import type { PodSandboxConfig } from "../../proto/gen/runtime/v1/api.ts";
import { invalid } from "./refusal.ts";
import type { IdMapping, Linux, Spec } from "./spec.ts";
import { cgroupAnnotations, sandboxAnnotations } from "./spec/annotations.ts";
import { clampOomScoreAdj } from "./spec/limits.ts";
import { seccomp } from "./spec/seccomp.ts";
import { ID_MAX } from "./spec/user.ts";
import type { CgroupPlacement, NodeLimits, UserNamespaceFacts } from "./types.ts";
import { validateSpec } from "./validate.ts";
import { lowestVersion } from "./version.ts";
import type { Kernel } from "../sys/kernel.ts";
import { kernel as thisKernel } from "../sys/mod.ts";

/** Nobody's user, in every image and on every node. */
const PAUSE_USER = 65535;

/** The pod's last process to go: nothing works in a pod whose shared pid namespace has ended. */
const PAUSE_OOM_SCORE_ADJ = -998;

export interface PauseInput {
  id: string;
  config: PodSandboxConfig;
  hostname: string;
  /** Folder of the node that holds the executable file `pause` and nothing else. */
  root: string;
  placement: CgroupPlacement;
  node: NodeLimits;
  netns?: string;
  ipcns?: string;
  utsns?: string;
  userns?: UserNamespaceFacts;
  sysctls?: Record<string, string>;
  kernel?: Kernel;
}

/** config.json of the process that holds a pod's shared pid namespace. */
export function buildPauseSpec(input: PauseInput): Spec {
  const { config, node, placement } = input;
  const security = config.linux?.securityContext;
  const filter = seccomp(
    {
      profile: security?.seccomp,
      deprecatedPath: security?.seccompProfilePath ?? "",
      privileged: security?.privileged ?? false,
      capabilities: [],
    },
    input.kernel ?? thisKernel,
    node,
    [],
  );
  const none: string[] = [];
  const spec: Spec = {
    ociVersion: "",
    process: {
      user: {
        uid: userId("run_as_user", security?.runAsUser?.value, input.userns?.uids),
        gid: userId("run_as_group", security?.runAsGroup?.value, input.userns?.gids),
      },
      args: ["/pause"],
      env: [],
      cwd: "/",
      capabilities: { bounding: none, effective: none, permitted: none, inheritable: none, ambient: none },
      noNewPrivileges: true,
      oomScoreAdj: clampOomScoreAdj(PAUSE_OOM_SCORE_ADJ, node, []),
    },
    root: { path: input.root, readonly: true },
    ...(input.utsns !== undefined && { hostname: input.hostname }),
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "noexec", "mode=755", "size=64k"] },
    ],
    annotations: { ...sandboxAnnotations({ id: input.id, config }), ...cgroupAnnotations(placement) },
    linux: {
      namespaces: pauseNamespaces(input),
      ...(input.userns && { uidMappings: [input.userns.uids], gidMappings: [input.userns.gids] }),
      ...(input.sysctls && { sysctl: input.sysctls }),
      cgroupsPath: placement.cgroupsPath,
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        ...(node.controllers.has("cpu") && { cpu: { shares: 2 } }),
      },
      ...(filter && { seccomp: filter }),
    },
  };
  spec.ociVersion = lowestVersion(spec);
  validateSpec(spec);
  return spec;
}

function pauseNamespaces({ userns, netns, ipcns, utsns }: PauseInput): Linux["namespaces"] {
  const joined: [Linux["namespaces"][number]["type"], string | undefined][] = [
    ["user", userns?.path],
    ["network", netns],
    ["ipc", ipcns],
    ["uts", utsns],
  ];
  return [{ type: "pid" }, ...joined.flatMap(([type, path]) => path === undefined ? [] : [{ type, path }]), {
    type: "mount",
  }];
}

function userId(field: string, value: bigint | undefined, range: IdMapping | undefined): number {
  const highest = range ? range.size - 1 : ID_MAX;
  if (value === undefined) return Math.min(PAUSE_USER, highest);
  if (value < 0n || value > BigInt(highest)) throw invalid(field, `${value} is not a number between 0 and ${highest}`);
  return Number(value);
}
