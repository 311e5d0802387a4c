/** What the compiled binary tells systemd when it is a service, by way of a systemd-notify that takes its time. */
import { assertEquals } from "@std/assert";
import { waitUntil } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { exists } from "../support/tools.ts";

const options = { ignore: Deno.uid() !== 0 || !onSkiff, sanitizeOps: false, sanitizeResources: false };

/** In front of the node's own programs lies one that takes `seconds` to tell that the daemon is ready. */
async function withNotify(node: TestNode, seconds: number): Promise<{ instance: Instance; told: string }> {
  const [folder, told] = [`${node.dir}/programs`, `${node.dir}/told`];
  await Deno.mkdir(folder);
  await Deno.writeTextFile(
    `${folder}/systemd-notify`,
    `#!/bin/sh\ncase $2 in READY=1) sleep ${seconds} ;; esac\necho "$2" >>${told}\n`,
    { mode: 0o755 },
  );
  await node.holder.run("mount", "-t", "overlay", "-o", `ro,lowerdir=${folder}:/usr/bin`, "skiff-test", "/usr/bin");
  return { instance: new Instance(node, { env: { NOTIFY_SOCKET: "/run/systemd/notify" } }), told };
}

Deno.test("systemd is told that the daemon serves, though telling it takes six seconds (root)", options, async () => {
  await using node = await TestNode.start({ registry: false });
  const { instance, told } = await withNotify(node, 6);
  await using daemon = instance;
  await daemon.start();
  await waitUntil("systemd is told", () => exists(told), 15_000);
  await daemon.stop();
  assertEquals(await Deno.readTextFile(told), "READY=1\nSTOPPING=1\n");
});

Deno.test(
  "a daemon that is still telling systemd that it serves ends when it is asked to (root)",
  options,
  async () => {
    await using node = await TestNode.start({ registry: false });
    const { instance, told } = await withNotify(node, 45);
    await using daemon = instance;
    await daemon.start();
    assertEquals(await daemon.stop(), 0);
    assertEquals(await Deno.readTextFile(told), "STOPPING=1\n");
  },
);
