/** The binary is replaced while it runs, as an upgrade does it: what runs goes on in its own version. */
import { assertEquals } from "@std/assert";
import { tools } from "../support/tools.ts";
import { suite } from "../support/suite.ts";

const { test } = suite({ images: [] });

test("A daemon whose binary was replaced goes on pulling images", async (bench) => {
  const binary = `${bench.node.root}/skiff-bin/skiff`;
  Deno.copyFileSync(tools.skiff, `${binary}.new`);
  Deno.truncateSync(`${binary}.new`, 4096); // What comes next must not be what is started.
  Deno.renameSync(`${binary}.new`, binary);
  await bench.pull();
  assertEquals((await bench.client.listImages({})).images.length, 1);
}, { skiffOnly: "containerd starts no second process of its own file to pull" });
