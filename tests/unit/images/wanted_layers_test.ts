import { assertEquals, assertThrows } from "@std/assert";
import { halves, packedBytes, pairLayers, type WantedLayer } from "../../../src/images/wanted_layers.ts";

const layers = (...sizes: number[]): WantedLayer[] =>
  sizes.map((size, number) => ({
    diffId: `sha256:${number}`,
    blob: { mediaType: "", digest: `sha256:${size}`, size },
  }));
const sizes = (list: WantedLayer[]) => list.map(({ blob }) => blob.size);

Deno.test("halves() makes two lists of about the same size, the larger one first, in the order of the whole", () => {
  assertEquals(halves(layers(1, 370, 200, 90, 50)).map(sizes), [[370], [1, 200, 90, 50]]);
  assertEquals(halves(layers(5, 5, 5, 5)).map(packedBytes), [10, 10]);
  assertEquals(halves(layers(7)).map(sizes), [[7], []]);
  assertEquals(halves([]), [[], []]);
});

Deno.test("pairLayers() names a layer once, and refuses lists that do not belong together", () => {
  const [one, two] = layers(1, 2);
  assertEquals(pairLayers([one.diffId, two.diffId], [one.blob, two.blob]), [one, two]);
  assertEquals(pairLayers([one.diffId, one.diffId], [one.blob, two.blob]), [{ ...one, blob: two.blob }]);
  assertThrows(() => pairLayers([one.diffId], []), Error, "the manifest has 0 layers, the config 1");
});
