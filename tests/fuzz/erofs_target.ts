/** Images of layers, as who unpacks them on a kernel without EROFS reads them: the parser that wrote one may have been taken over. */
import { S_IFLNK, S_IFMT } from "../../src/images/erofs/inode.ts";
import { ImageReader } from "../../src/images/erofs/reader.ts";
import { LayerWriter } from "../../src/images/layer/layer_writer.ts";
import { BufferOutput } from "../../src/images/mount/buffer_output.ts";
import { visibleXattrs, walkImage } from "../../src/images/unpack/walk_image.ts";
import { goodLayers } from "../layers/good_layers.ts";
import { isPlainError, type Target } from "./target.ts";

const MAX_SEED = 40_000;
const LIMITS = { entries: 3_000, inflatedBytes: 2 << 20 };

/** The good layers of the layers suite, those that are small. */
async function seeds(): Promise<Uint8Array[]> {
  const images: Uint8Array[] = [];
  for (const { image } of goodLayers) {
    const output = new BufferOutput();
    const writer = new LayerWriter(output, LIMITS);
    try {
      await writer.write((image.layers[0].content as Uint8Array).slice());
      const { length } = await writer.end();
      if (length < MAX_SEED) images.push(output.bytes(length).slice());
    } catch {
      // It is larger than the limits here.
    } finally {
      writer.close();
    }
  }
  return images;
}

export const erofsTarget: Target = {
  name: "erofs",
  corpus: await seeds(),
  dictionary: ["trusted.overlay.", "overlay.redirect", "overlay.opaque", "../", "/", "\0", ".."],
  inputs: 1_000_000,
  read: (input) => {
    const reader = new ImageReader({
      length: input.length,
      read: (into, offset) => into.set(input.subarray(offset, offset + into.length)),
    });
    walkImage(reader, {
      enter: () => {},
      leave: () => {},
      link: () => {},
      leaf: (_name, inode) => {
        visibleXattrs(inode);
        if ((inode.mode & S_IFMT) === S_IFLNK) reader.target(inode);
      },
    }, LIMITS.entries);
  },
  isDocumented: isPlainError,
};
