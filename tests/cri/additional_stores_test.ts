/** Image stores of others, read-only, as a node with a shared one has them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { busybox } from "../images/busybox.ts";
import { image, layer } from "../images/image.ts";
import { removeCgroup } from "../support/cgroups.ts";
import { tryRun, waitUntil } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { tools } from "../support/tools.ts";

const options = { ignore: Deno.uid() !== 0 || !onSkiff, sanitizeOps: false, sanitizeResources: false };
/** Neither the daemon nor any child of it may read there by its permissions. */
const SHARED = "/mnt";

Deno.test(
  "a store on a read-only mount is used and left as it is; one that is absent is in the log (root)",
  options,
  async () => {
    await using node = await TestNode.start();
    const shared = node.image("test/busybox:1");
    const before = await node.snapshot();
    await using first = new Instance(node, { title: "first" });
    await first.start();
    await first.client.pullImage({ image: { image: shared } });
    await first.stop();
    await node.holder.run("mount", "--bind", first.root, SHARED);
    await node.holder.run("mount", "-o", "remount,bind,ro", SHARED);
    const contents = () => node.holder.run("sh", "-c", `find ${SHARED} -type f | sort | xargs sha256sum`);
    const content = await contents();

    await using second = new Instance(node, {
      title: "second",
      config: { images: { additionalStores: ["/nowhere", SHARED], serve: { address: "127.0.0.1:5310" } } },
    });
    await second.start();
    const skiff = (...args: string[]) => tryRun(tools.skiff, [...args, "--socket", second.socket]);
    {
      await using bench = new Workbench(second);
      const { image: found, info } = await bench.client.imageStatus({ image: { image: shared }, verbose: true });
      assertEquals([found?.id, found?.repoTags], [busybox().config.digest, [shared]]);
      assertEquals(JSON.parse(info.info).additionalStore, SHARED);
      assertEquals((await bench.client.imageFsInfo({})).imageFilesystems[0].usedBytes!.value, 0n);
      assertStringIncludes(second.log(), "an additional store cannot be used");
      assertStringIncludes(second.log(), "/nowhere");

      // Of an image on top of it only what is not there is fetched.
      const mark = layer([{ path: "mark", data: "on top" }]);
      const made = image([...busybox().layers, mark], { Env: ["PATH=/bin"] });
      await node.registry.add("test/on-top", "1", made);
      const name = node.image("test/on-top:1");
      await Deno.writeFile(node.registry.blobFile(busybox().layers[0].digest), new Uint8Array([1]));
      await bench.pull(name);
      assertEquals((await Array.fromAsync(Deno.readDir(`${second.root}/layers`))).length, 1);

      const container = await bench.run({ image: { image: name } });
      assertEquals(await bench.sh(container, "cat /mark; echo; echo new >/new; cat /new"), "on top\nnew");
      const check = await skiff("check", "--deep");
      assertEquals([check.code, check.stdout.includes("damaged")], [0, false], check.stdout + check.stderr);
      const served = await node.holder.tryRun(
        "curl",
        ...["-sS", "-o", "/dev/null", "-w", "%{http_code}"],
        `http://127.0.0.1:5310/v2/${node.registry.host}/test/busybox/blobs/${busybox().layers[0].diffId}`,
      );
      assertEquals(served.stdout, "200");
      const exported = `${node.dir}/out.tar`;
      assertEquals((await skiff("image", "export", shared, "-o", exported)).code, 0);

      await bench.daemon.kill9();
      await bench.daemon.start();
      assertEquals(await bench.sh(container, "cat /mark"), "on top");
      await bench.remove(container.sandbox.id);
      await bench.client.removeImage({ image: { image: name } });
      await bench.client.removeImage({ image: { image: shared } });
      assertEquals((await bench.client.imageStatus({ image: { image: shared } })).image, undefined);
    }
    assertEquals(await contents(), content);
    await second.stop();
    await second.start();
    assert((await second.client.imageStatus({ image: { image: shared } })).image, "it is back after a start");
    await second.stop();
    await node.holder.run("umount", SHARED);
    const left = (await node.leftSince(before)).filter((line) =>
      !/^(cgroup|link: skiff-test0|packet filter)/.test(line)
    );
    assertEquals(left, []);
  },
);

const hasFuse = await Deno.stat("/dev/fuse").then(() => true, () => false);

Deno.test(
  "a store whose mount does not answer holds up neither the start nor a call, and comes when it answers (root)",
  { ...options, ignore: options.ignore || !hasFuse },
  async () => {
    await using node = await TestNode.start();
    const shared = node.image("test/busybox:1");
    await using first = new Instance(node, { title: "first" });
    await first.start();
    await first.client.pullImage({ image: { image: shared } });
    await first.stop();
    await node.holder.run("mount", "--bind", first.root, SHARED);
    // FUSE whose server answers nothing: whoever looks there waits until the server ends.
    const options = "fd=9,rootmode=40000,user_id=0,group_id=0";
    const server = node.holder.spawn("sh", [
      "-c",
      `exec 9<>/dev/fuse && mount -i -t fuse -o ${options} skiff-test ${SHARED} && exec sleep 1234`,
    ], { cgroup: "fuse", log: `${node.dir}/fuse.log` });
    const mounts = () => node.holder.run("cat", "/proc/self/mountinfo");
    await waitUntil("it is mounted", async () => / - fuse skiff-test /.test(await mounts()));

    await using second = new Instance(node, {
      title: "second",
      config: { images: { additionalStores: ["/nowhere", SHARED] } },
    });
    try {
      const took = await second.start();
      assert(took < 8_000, `${took} ms`);
      assertStringIncludes(second.log(), "does not answer");
      assertEquals((await second.client.imageStatus({ image: { image: shared } })).image, undefined);
      const other = node.image("test/busybox:2");
      await second.client.pullImage({ image: { image: other } });
      assertEquals((await second.client.listImages({})).images.length, 1);
      const ending = performance.now();
      await second.stop();
      assert(performance.now() - ending < 5_000, "it ends although a process of its waits there");
      await second.start();
    } finally {
      server.kill("SIGKILL");
      await server.status;
      await node.holder.run("umount", "-l", SHARED);
      await removeCgroup(`/${node.name}/fuse`);
    }
    await waitUntil("the store is there", async () => {
      const { image: found, info } = await second.client.imageStatus({ image: { image: shared }, verbose: true });
      return found && JSON.parse(info.info).additionalStore === SHARED;
    });
    await second.stop();
    await node.holder.run("umount", SHARED);
  },
);
