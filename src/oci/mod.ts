/** The door of `oci`: config.json from a request, the OCI runtime, its monitor, and cgroups. */
export { adjust, ADJUSTERS, withinNode } from "./adjust.ts";
export { buildSpec } from "./build.ts";
export { type BackgroundCgroup, createBackgroundCgroup } from "./cgroups/background.ts";
export { type CgroupDriverOptions, CgroupfsDriver, createCgroupDriver } from "./cgroups/driver.ts";
export { findHierarchies, type Hierarchies } from "./cgroups/hierarchies.ts";
export { checkParent } from "./cgroups/placement.ts";
export { buildExecProcess } from "./exec_process.ts";
export type { ExecOnTerminal, ExecProcess, ExecStdio } from "./exec_stream.ts";
export { ConmonMonitor, type ConmonMonitorOptions } from "./monitor.ts";
export { probeNode } from "./node.ts";
export { IMAGE_VOLUME_FAILED, type ImageMount, imageMounts } from "./spec/image_mounts.ts";
export { podUserNamespace } from "./spec/user_namespace.ts";
export { buildPauseSpec, type PauseInput } from "./pause_spec.ts";
export { CommandLineRuntime, type CommandLineRuntimeOptions } from "./runtime.ts";
export type { Capabilities, Hook, IdMapping, Linux, Mount, Process, Resources, Spec } from "./spec.ts";
export { stopSignalEnum, stopSignalNumber } from "./spec/stop_signal.ts";
export type * from "./types.ts";
export { validateSpec } from "./validate.ts";
