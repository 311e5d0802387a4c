/** The configuration: one schema gives defaults, validation, documentation and what a change needs. Knows nothing of the rest of the house. */
export { build } from "./build.ts";
export { configDocs } from "./docs.ts";
export type { ReloadClass } from "./fields.ts";
export { type Change, changesBetween, leavesOf } from "./leaves.ts";
export {
  type ConfigFiles,
  DEFAULT_CONFIG_FILE,
  defaultConfig,
  loadConfig,
  type LoadedConfig,
  type LoadOptions,
} from "./load.ts";
export { nearestName } from "./nearest.ts";
export { printConfig } from "./print.ts";
export { ConfigError, formatOrigin, type Origin, type Problem } from "./problem.ts";
export { resolveConfig } from "./resolve.ts";
export type { Config } from "./types.ts";
