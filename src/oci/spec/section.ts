import { LinuxContainerResources, LinuxContainerSecurityContext } from "../../../proto/gen/runtime/v1/api.ts";
import type { SpecInput, SpecMeans } from "../types.ts";

/** What every section of the spec is built from. */
export interface Section extends SpecMeans {
  input: SpecInput;
  security: LinuxContainerSecurityContext;
  resources: LinuxContainerResources;
  /** Sections add a sentence for everything that was asked for and has no effect here. */
  notes: string[];
}

export function newSection(input: SpecInput, means: SpecMeans): Section {
  return {
    ...means,
    input,
    security: input.config.linux?.securityContext ?? LinuxContainerSecurityContext.fromPartial({}),
    resources: input.config.linux?.resources ?? LinuxContainerResources.fromPartial({}),
    notes: [],
  };
}
