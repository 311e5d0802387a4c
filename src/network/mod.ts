export { CniNetwork, type CniOptions, type WatchFolder } from "./cni.ts";
export {
  isPinned,
  listPinned,
  pinNamespaces,
  type PinOptions,
  type PinPaths,
  prepareNetnsFolder,
  unpin,
} from "./netns.ts";
export { parseSysctl, type Sysctl, type SysctlNamespace } from "./sysctl.ts";
export { isAddress } from "./address.ts";
export type { Network, NetworkAttachment, NetworkStatus, PodNetwork } from "./types.ts";
