import {
  CgroupDriver,
  type RuntimeConfigRequest,
  type RuntimeConfigResponse,
} from "../../../proto/gen/runtime/v1/api.ts";

/** The kubelet asks once, at its start, which cgroup driver to use. */
export const runtimeConfig = () => (_request: RuntimeConfigRequest): RuntimeConfigResponse => ({
  linux: { cgroupDriver: CgroupDriver.CGROUPFS },
});
