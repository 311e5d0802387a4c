import type { ListMetricDescriptorsResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { BASE_LABELS, METRICS } from "../../stats/mod.ts";

/** The kubelet asks once, when it starts, and drops every metric that is not among these. */
export const listMetricDescriptors = () => (): ListMetricDescriptorsResponse => ({
  descriptors: Object.values(METRICS).map(({ name, help, labels }) => ({
    name,
    help,
    labelKeys: [...BASE_LABELS, ...labels],
  })),
});
