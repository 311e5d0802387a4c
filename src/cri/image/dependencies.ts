import type { Config } from "../../config/types.ts";
import type { Images } from "../../images/types.ts";

/** What the image calls are answered with. */
export interface ImageDependencies {
  images: Images;
  config: Pick<Config, "images">;
  /** IDs of the containers that were created from an image. */
  inUse: (imageId: string) => string[];
}
