import { assertEquals, assertStringIncludes } from "@std/assert";
import { ImageFsInfoResponse } from "../../../proto/gen/runtime/v1/api.ts";
import { RunningPull, VerifyImageResponse } from "../../../proto/gen/skiff/v1/admin.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { skiff, withAnswers } from "./support.ts";

// libc is loaded once for the process: here, so that no test seems to leak it.
kernel.exists("/");

const refused = VerifyImageResponse.fromPartial({
  allowed: false,
  image: "h.io/app:1",
  policyFile: "/etc/containers/policy.json",
  scope: "h.io",
  requirements: [{
    type: "signedBy",
    line: 12,
    reason: "the signature is not accepted: key AA is not in the rule's key rings",
    signatures: [{ from: "https://sigs.example/app@sha256=00/signature-1", reason: "key AA\x1b is not there" }],
  }],
});

Deno.test("skiff image verify says in a line what a policy thinks, and ends with 1 for a refusal", async () => {
  let namespace = "";
  const verifyImage = (request: { namespace: string }) => {
    ({ namespace } = request);
    return refused;
  };
  await withAnswers({ admin: { verifyImage } }, async (socket) => {
    const { code, out } = await skiff("image", "verify", "-n", "team", "app", "--socket", socket);
    assertEquals([code, namespace], [1, "team"]);
    assertEquals(
      out,
      "h.io/app:1: refused (signedBy): the signature is not accepted: key AA is not in the rule's key rings\n",
    );
    const json = await skiff("image", "verify", "--json", "app", "--socket", socket);
    assertEquals([json.code, JSON.parse(json.out).requirements[0].line], [1, 12]);
  });
});

Deno.test("skiff image verify --explain shows policy, scope, rules and signatures", async () => {
  await withAnswers({ admin: { verifyImage: () => refused } }, async (socket) => {
    const { out } = await skiff("image", "verify", "--explain", "app", "--socket", socket);
    for (
      const line of [
        "policy: /etc/containers/policy.json\n",
        "scope:  h.io\n",
        "rule:   signedBy (line 12): not satisfied: the signature is not accepted",
        "  bad   https://sigs.example/app@sha256=00/signature-1: key AA� is not there\n",
        "verdict: refused\n",
      ]
    ) {
      assertStringIncludes(out, line);
    }
  });
  const accepted = VerifyImageResponse.fromPartial({ allowed: true, image: "h.io/app:1", scope: "default" });
  await withAnswers({ admin: { verifyImage: () => accepted } }, async (socket) => {
    const { code, out } = await skiff("image", "verify", "--explain", "app", "--socket", socket);
    assertEquals(code, 0);
    assertStringIncludes(out, "policy: none; every image is accepted\n");
  });
});

Deno.test("skiff status shows what runs, what is pulled, and the space that is taken", async () => {
  const pull = RunningPull.fromPartial({
    image: "h.io/app:1",
    phase: "pulling",
    bytesDone: 5_000_000n,
    bytesTotal: 20_000_000n,
    layersDone: 1,
    layersTotal: 4,
    bytesPerSecond: 1_500_000n,
    startedAt: BigInt(Date.now()) * 1_000_000n,
  });
  const usage = (mountpoint: string) => ({
    fsId: { mountpoint },
    usedBytes: { value: 7_000_000n },
    inodesUsed: { value: 3n },
  });
  await withAnswers({
    runtime: {
      version: () => ({ version: "", runtimeName: "skiff", runtimeVersion: "1", runtimeApiVersion: "v1" }),
      status: () => ({ status: undefined, info: {}, runtimeHandlers: [], features: undefined }),
    },
    images: {
      imageFsInfo: () =>
        ImageFsInfoResponse.fromPartial({ imageFilesystems: [usage("/i")], containerFilesystems: [usage("/w")] }),
    },
    admin: { listPulls: () => ({ pulls: [pull] }) },
  }, async (socket) => {
    const { out } = await skiff("status", "--socket", socket);
    assertStringIncludes(out, "pods: 0 ready of 0; containers: 0 running of 0\n");
    assertStringIncludes(out, "images: 7.00MB, 3 inodes in /i\n");
    assertStringIncludes(out, "writable layers: 7.00MB, 3 inodes in /w\n");
    assertStringIncludes(out, "h.io/app:1  pulling  5.00MB/20.0MB  1/4     1.50MB/s  0s\n");
    const json = JSON.parse((await skiff("status", "--json", "--socket", socket)).out);
    assertEquals([json.pulls[0].bytesPerSecond, json.storage.images[0].fsId.mountpoint], [1_500_000, "/i"]);
  });
});
