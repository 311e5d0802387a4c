export { CniNetwork, type CniOptions, type WatchFolder } from "./cni.ts";
export {
  type IdMaps,
  isPinned,
  listPinned,
  pinNamespaces,
  type PinPaths,
  pinUserNamespaces,
  prepareNetnsFolder,
  unpin,
  unpinOffThread,
} from "./netns.ts";
export type { PinOptions } from "./namespace_setup.ts";
export { parseSysctl, type Sysctl, type SysctlNamespace } from "./sysctl.ts";
export { isAddress } from "./address.ts";
export type { Network, NetworkAttachment, NetworkStatus, PodNetwork } from "./types.ts";
