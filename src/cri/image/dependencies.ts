import type { Config } from "../../config/types.ts";
import type { Images } from "../../images/types.ts";

/** What the image calls are answered with. */
export interface ImageDependencies {
  images: Images;
  config: Pick<Config, "images">;
  /** IDs of the containers that were created from an image. */
  inUse: (imageId: string) => string[];
  /** Lists the work among the daemon's jobs. */
  track: <T>(kind: string, subject: string, body: (enter: (step: string) => void) => Promise<T>) => Promise<T>;
}
