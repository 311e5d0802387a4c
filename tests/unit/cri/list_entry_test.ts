import { assertEquals } from "@std/assert";
import { ListPodSandboxResponse, PodSandbox } from "../../../proto/gen/runtime/v1/api.ts";
import { chunks, entry } from "../../../src/cri/list_entry.ts";

const pod = (id: string) => PodSandbox.fromPartial({ id, labels: { text: "x".repeat(200) } });

Deno.test("entry() joined with others is what the codec would have written", () => {
  const pods = ["a", "b"].map(pod);
  const joined = new Uint8Array(pods.flatMap((one) => [...entry(PodSandbox, one)]));
  assertEquals(ListPodSandboxResponse.decode(joined).items.map((item) => item.id), ["a", "b"]);
  assertEquals(joined, ListPodSandboxResponse.encode({ items: pods }).finish());
});

Deno.test("chunks() puts each of 20,000 entries in exactly one message below 16 MiB", () => {
  const entries = Array.from({ length: 20_000 }, (_, index) => entry(PodSandbox, pod(`pod-${index}`)));
  const messages = [...chunks(entries)];
  assertEquals(messages.flat().length, 20_000);
  assertEquals(messages.every((message) => message.reduce((sum, part) => sum + part.length, 0) < 16 << 20), true);
  assertEquals(messages.length > 1, true);
  assertEquals([...chunks([])], []);
});
