import { assert, assertEquals, assertMatch } from "@std/assert";
import { sleep } from "../support/command.ts";
import { type ForwardAnswer, Rig } from "./rig.ts";

const full = Deno.env.get("SKIFF_TEST_FULL") === "1";
const MIB = 1 << 20;
const GIB = 1 << 30;

Deno.test({
  name: "port-forward with client-go (root)",
  ignore: Deno.uid() !== 0,
  fn: async (test) => {
    await using rig = await Rig.start("runc");
    const forward = async (protocol: string, ...options: string[]) =>
      await rig.go<ForwardAnswer>("forward", "-protocol", protocol, ...options, await rig.ask("/portforward"));

    for (const [protocol, size] of [["spdy", GIB], ["tunnel", full ? GIB : 128 * MIB]] as const) {
      await test.step(`${protocol}: to 127.0.0.1 and to ::1 in the pod, with half-close`, async () => {
        for (const port of ["8080", "8081"]) {
          const answer = await forward(protocol, "-port", port);
          assertEquals([answer.Equal, answer.Different, answer.Errors], [1, [], ""]);
        }
      });

      await test.step(`${protocol}: 100 connections at a time, and nothing is left of them`, async () => {
        const before = await rig.figures();
        const answer = await forward(protocol, "-connections", "100", "-bytes", "300000");
        assertEquals([answer.Equal, answer.Different, answer.Errors], [100, [], ""]);
        await sleep(500);
        const after = await rig.figures();
        assertEquals([after.descriptors, after.connections], [before.descriptors, 0]);
      });

      await test.step(`${protocol}: a closed port is named with the cause`, async () => {
        const answer = await forward(protocol, "-port", "9");
        assertEquals(answer.Equal, 0);
        assertMatch(
          answer.Errors,
          /failed to connect to localhost:9 inside namespace \\?".*\\?", pod sandbox pod1: 127\.0\.0\.1: connection refused.*; ::1: connection refused/,
        );
      });

      await test.step(`${protocol}: ${size / MIB} MiB go there and come back unchanged`, async () => {
        const before = await rig.figures();
        const answer = await forward(protocol, "-bytes", String(size));
        assertEquals([answer.Equal, answer.Different, answer.Errors], [1, [], ""]);
        const { rss } = await rig.figures();
        assert(rss < before.rss + 60, `${before.rss} → ${rss} MiB`);
      });
    }
  },
});
