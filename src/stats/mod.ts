export { METRICS } from "./descriptors.ts";
export { BASE_LABELS, type Descriptor, type Sample, type Subject } from "./metric.ts";
export { type ContainerFacts, MetricsReader, type PodFacts } from "./metrics.ts";
export { CgroupUsageReader } from "./reader.ts";
export { RateKeeper } from "./rate.ts";
export type { CgroupUsage, InterfaceUsage, Psi, PsiData, UsageReader } from "./types.ts";
