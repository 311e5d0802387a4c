import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  CheckImagesResponse,
  type PruneImagesRequest,
  PruneImagesResponse,
} from "../../../proto/gen/skiff/v1/admin.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { skiff, withAnswers } from "./support.ts";

// libc is loaded once for the process: here, so that no test seems to leak it.
kernel.exists("/");

Deno.test("skiff image prune says what goes, what it frees, and what keeps the others", async () => {
  const requests: PruneImagesRequest[] = [];
  const pruneImages = (request: PruneImagesRequest) => {
    requests.push(request);
    return PruneImagesResponse.fromPartial({
      images: [{ id: `sha256:${"a".repeat(64)}`, names: ["h.io/a:1"] }],
      bytesFreed: 5_000_000n,
      kept: [{ id: `sha256:${"b".repeat(64)}`, names: ["h.io/b:1"], reason: "it is pinned" }],
    });
  };
  await withAnswers({ admin: { pruneImages } }, async (socket) => {
    const dry = await skiff("image", "prune", "--dry-run", "--explain", "--older-than", "60", "--socket", socket);
    assertEquals(
      dry.out,
      "aaaaaaaaaaaaa  h.io/a:1\nbbbbbbbbbbbbb  h.io/b:1: stays: it is pinned\n1 images would be removed, 5.00MB\n",
    );
    assertEquals(requests[0], { dryRun: true, unusedSeconds: 60n });
    assertStringIncludes((await skiff("image", "prune", "--socket", socket)).out, "1 images removed, 5.00MB\n");
    assertEquals((await skiff("image", "prune", "--older-than", "-1", "--socket", socket)).code, 2);
  });
});

Deno.test("skiff check ends with 1 while something is left to do", async () => {
  const problem = { subject: "layer x", problem: "its file is not there", remedy: "drop it", repaired: false };
  const checkImages = ({ repair }: { repair: boolean }) =>
    CheckImagesResponse.fromPartial({
      images: 1,
      layers: 2,
      bytes: 3_000n,
      problems: [{ ...problem, repaired: repair }],
    });
  await withAnswers({ admin: { checkImages } }, async (socket) => {
    const found = await skiff("check", "--socket", socket);
    assertEquals([found.code, found.out], [
      1,
      "layer x: its file is not there; to do: drop it\n1 images, 2 layers, 3.00kB: 1 problems\n",
    ]);
    const mended = await skiff("check", "--repair", "--socket", socket);
    assertEquals([mended.code, mended.out.split("\n")[0]], [0, "layer x: its file is not there; done: drop it"]);
  });
});

Deno.test("skiff image export wants one place to write to", async () => {
  for (const words of [[], ["-o", "x.tar"], ["-o", "/x.tar", "--folder", "/x"], ["-o", "-", "--json"]]) {
    const { code, out } = await skiff("image", "export", "app", ...words);
    assertEquals([code, out], [2, ""]);
  }
  const exportImages = async function* () {
    yield { step: "layers", bytesDone: 0n, bytesTotal: 9n, images: [] };
    yield { step: "done", bytesDone: 9n, bytesTotal: 9n, images: [{ id: "sha256:aa", names: ["h.io/a:1"], size: 9n }] };
  };
  await withAnswers({ admin: { exportImages } }, async (socket) => {
    const { out, err } = await skiff("image", "export", "a", "-o", "/x.tar", "--socket", socket);
    assertEquals([out, err], ["aa  h.io/a:1\n", "9B of layers written to /x.tar\n"]);
  });
});
