import type { Config } from "../../config/types.ts";
import type { Images } from "../../images/types.ts";
import type { Network } from "../../network/types.ts";
import type { NodeLimits, OciRuntime, RuntimeHandler } from "../../oci/types.ts";
import type { Pods } from "../../pods/mod.ts";
import type { StreamingServer } from "../../streaming/mod.ts";

/** What the runtime calls are answered with. */
export interface RuntimeDependencies {
  version: string;
  config: Config;
  pods: Pods;
  images: Images;
  network: Network;
  runtime: OciRuntime;
  streaming: StreamingServer;
  handlers: Map<string, RuntimeHandler>;
  node: NodeLimits;
  /** For Status in its verbose form: what was found out about this node at start. */
  facts: () => Promise<Record<string, unknown>>;
}
