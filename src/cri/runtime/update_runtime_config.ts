import type { UpdateRuntimeConfigRequest, UpdateRuntimeConfigResponse } from "../../../proto/gen/runtime/v1/api.ts";

/** The pod CIDR is the CNI plugins' business; what the kubelet says of it is taken and not used, as CRI-O does. */
export const updateRuntimeConfig = () => (_request: UpdateRuntimeConfigRequest): UpdateRuntimeConfigResponse => ({});
