/** The domain: pods and containers, the jobs that change them, the store that remembers them. */
export { Pods, type PodsOptions } from "./pods.ts";
export { Store, type StoreOptions } from "./store.ts";
export { Container, Sandbox } from "./catalog.ts";
export type { EventKind, PodEvent } from "./events.ts";
export type { JobReport, JobStep } from "./jobs.ts";
export { podPlacement } from "./pod_cgroup.ts";
export type { ContainerRecord, ContainerStateName, SandboxRecord } from "./types.ts";
export { nowNanoseconds } from "./context.ts";
export { type ContainerFigures, Statistics } from "./statistics.ts";
