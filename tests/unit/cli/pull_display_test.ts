import { assertEquals } from "@std/assert";
import { PullImageProgressResponse } from "../../../proto/gen/skiff/v1/admin.ts";
import { PullDisplay } from "../../../src/cli/image/pull_display.ts";
import { Collected } from "./support.ts";

const progress = (phase: string, bytesDone: bigint) =>
  PullImageProgressResponse.fromPartial({ phase, bytesDone, bytesTotal: 2_000_000n, layersDone: 1, layersTotal: 3 });

Deno.test("PullDisplay draws one line again and again on a terminal, never wider than it", () => {
  const terminal = new Collected(true, 60);
  let now = 0;
  const display = new PullDisplay(terminal, "registry.example.com/\x1b[2Jteam/app:1", () => now);
  display.show(progress("resolving", 0n));
  display.show(progress("pulling", 0n));
  now = 1000;
  display.show(progress("pulling", 1_000_000n));
  display.show(progress("pulling", 1_000_000n));
  display.end();
  const lines = terminal.text.err.split("\r\x1b[2K").slice(1);
  assertEquals(lines.length, 3);
  assertEquals(lines[0], "registry.example.com/�[2Jteam/app:1: resolving");
  assertEquals(lines.every((line) => line.trimEnd().length <= 59 && !line.includes("\x1b")), true);
  assertEquals(lines[2].endsWith("\n"), true);
});

Deno.test("PullDisplay shows bytes, layers and rate", () => {
  const terminal = new Collected(true, 200);
  let now = 0;
  const display = new PullDisplay(terminal, "app", () => now);
  display.show(progress("pulling", 0n));
  now = 2000;
  display.show(progress("pulling", 1_000_000n));
  const line = terminal.text.err.split("\r\x1b[2K").at(-1);
  assertEquals(line, `app [${"█".repeat(14)}${"░".repeat(14)}] 50%, 1.00MB of 2.00MB, layers 1/3, 500kB/s`);
});

Deno.test("PullDisplay gives no share where the size is not known", () => {
  const terminal = new Collected();
  const display = new PullDisplay(terminal, "app");
  display.show({ ...progress("pulling", 5n), bytesTotal: 0n });
  assertEquals(terminal.text.err, "app: 5B, layers 1/3\n");
});
