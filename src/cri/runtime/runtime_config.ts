import {
  CgroupDriver,
  type RuntimeConfigRequest,
  type RuntimeConfigResponse,
} from "../../../proto/gen/runtime/v1/api.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

/** The kubelet asks once, at its start, which cgroup driver to use. */
export const runtimeConfig =
  ({ config }: Pick<RuntimeDependencies, "config">) => (_request: RuntimeConfigRequest): RuntimeConfigResponse => ({
    linux: { cgroupDriver: config.cgroupDriver === "systemd" ? CgroupDriver.SYSTEMD : CgroupDriver.CGROUPFS },
  });
