import type { VersionRequest, VersionResponse } from "../../../proto/gen/runtime/v1/api.ts";
import type { RuntimeDependencies } from "./dependencies.ts";

export const version = ({ version }: RuntimeDependencies) => (_request: VersionRequest): VersionResponse => ({
  // Of the kubelet's own interface, not of ours: every runtime says 0.1.0.
  version: "0.1.0",
  runtimeName: "skiff",
  runtimeVersion: version,
  runtimeApiVersion: "v1",
});
