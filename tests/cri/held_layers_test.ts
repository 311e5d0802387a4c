/** An image is removed while a process that is none of its containers holds its layer: the log names the process. */
import { assertEquals } from "@std/assert";
import { image, layer } from "../images/image.ts";
import { busyboxLayer } from "../images/busybox.ts";
import { removeCgroup } from "../support/cgroups.ts";
import { waitUntil } from "../support/command.ts";
import type { Instance } from "../support/instance.ts";
import { suite } from "../support/suite.ts";

const { test } = suite();

test("RemoveImage of a layer that a foreign process holds succeeds, and the log names the process", async (bench) => {
  const made = image([layer(busyboxLayer()), layer([{ path: "held", data: new Uint8Array(200_000).fill(3) }])], {
    Env: ["PATH=/bin"],
  });
  await bench.node.registry.add("test/held", "1", made);
  const name = bench.node.image("test/held:1");
  await bench.pull(name);
  const container = await bench.run({ image: { image: name } });
  const folder = `${(bench.daemon as Instance).state}/rootfs/${container.id}/bin`;
  const foreign = bench.node.holder.spawn("sh", ["-c", `cd ${folder} && exec sleep 1234`], {
    cgroup: "foreign",
    log: `${bench.node.dir}/foreign.log`,
  });
  try {
    await waitUntil("the process is there", async () => {
      const cwd = await Deno.readLink(`/proc/${foreign.pid}/cwd`).catch(() => "");
      return cwd.endsWith(`${container.id}/bin`);
    });
    await bench.remove(container.sandbox.id);
    const mark = bench.daemon.log().length;
    await bench.client.removeImage({ image: { image: name } });
    assertEquals((await bench.client.imageStatus({ image: { image: name } })).image, undefined);
    const expected = `${foreign.pid} (sleep), by its working directory`;
    await waitUntil("the log names it", () => bench.daemon.log().slice(mark).includes(expected));
  } finally {
    foreign.kill("SIGKILL");
    await foreign.status;
    await removeCgroup(`/${bench.node.name}/foreign`);
  }
}, { skiffOnly: "it says nothing" });
