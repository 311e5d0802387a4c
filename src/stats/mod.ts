export { CgroupUsageReader } from "./reader.ts";
export { RateKeeper } from "./rate.ts";
export type { CgroupUsage, InterfaceUsage, Psi, PsiData, UsageReader } from "./types.ts";
