import type { GetConfigRequest, GetConfigResponse } from "../../proto/gen/skiff/v1/admin.ts";
import type { AdminDependencies } from "./dependencies.ts";

export const getConfig = ({ configText }: AdminDependencies) => (_request: GetConfigRequest): GetConfigResponse => ({
  yaml: configText(),
});
