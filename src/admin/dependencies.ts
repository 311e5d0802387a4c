import type { Images } from "../images/types.ts";
import type { Pods } from "../pods/mod.ts";

export interface AdminDependencies {
  pods: Pods;
  images: Images;
  /** The effective configuration, as YAML. */
  configText: () => string;
}
