import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, container, pod } from "../check.ts";
import { crictl, eventsOf, markedImage, onMirror, onRegistry, putImage, waitsFor } from "../image_checks.ts";

interface ListedImage {
  id: string;
  repoTags: string[];
  pinned: boolean;
}

async function listed({ cluster }: CheckContext): Promise<ListedImage[]> {
  return JSON.parse(await crictl(cluster, "images", "-o", "json")).images;
}

/** Pulls one image that a running pod uses, and one that nobody uses any more. */
async function usedAndUnused(context: CheckContext): Promise<{ used: string; unused: string }> {
  const used = onMirror(await putImage(context, markedImage("used", 1_000_000), "used"));
  const unused = onMirror(await putImage(context, markedImage("unused", 1_000_000), "unused"));
  await context.apply(
    pod("uses", { containers: [container("main", used)] }),
    pod("used", { containers: [{ name: "main", image: unused }] }),
  );
  await context.ready("uses");
  await context.podIs("used", "Succeeded");
  await context.kubectl("delete", "pod", "used");
  // Nobody runs it, but the runtime's configuration pins it.
  await crictl(context.cluster, "pull", context.cluster.image("pause"));
  return { used, unused };
}

const has = (images: ListedImage[], name: string) => images.some(({ repoTags }) => repoTags.includes(name));

/** After a collection: what is used and what is pinned is there, and the unused image comes back when it is wanted. */
async function isCollected(context: CheckContext, before: ListedImage[], used: string, unused: string): Promise<void> {
  const after = await listed(context);
  assertEquals([has(after, used), has(after, unused)], [true, false]);
  const pinned = before.filter(({ pinned }) => pinned);
  assert(has(pinned, context.cluster.image("pause")), `not told as pinned: ${context.cluster.image("pause")}`);
  for (const { id } of pinned) assert(after.some((image) => image.id === id), `${id} was pinned`);
  assertEquals((await context.exec("uses", "cat", "/mark")).trim(), "used");
  await context.apply(pod("again", { containers: [{ name: "main", image: unused }] }));
  await context.podIs("again", "Succeeded");
  assertEquals(await context.logs("again"), "unused\n");
}

export const checks: Check[] = [
  {
    name: "the kubelet's garbage collection takes unused images, and neither used nor pinned ones",
    item: "image GC",
    full: true,
    alone: true,
    // The kubelet collects five minutes after its start for the first time.
    timeout: 480,
    async run(context) {
      const { used, unused } = await usedAndUnused(context);
      const before = await listed(context);
      try {
        await context.cluster.restartKubelet({ imageGCHighThresholdPercent: 1, imageGCLowThresholdPercent: 0 });
        await context.until("the unused image is gone", async () => !has(await listed(context), unused), 400);
      } finally {
        await context.cluster.restartKubelet();
      }
      await isCollected(context, before, used, unused);
    },
  },
  {
    name: "crictl rmi --prune takes unused images, and neither used nor pinned ones",
    item: "images pruned by hand, pinned images stay",
    alone: true,
    async run(context) {
      const { used, unused } = await usedAndUnused(context);
      const before = await listed(context);
      // The container that used it is removed some time after its pod.
      await context.until("the unused image is gone", async () => {
        await crictl(context.cluster, "rmi", "--prune");
        return !has(await listed(context), unused);
      });
      await isCollected(context, before, used, unused);
    },
  },
  {
    name: "an image in use is not removed, by whatever name",
    item: "image in use stays",
    async run(context) {
      const image = onMirror(await putImage(context, markedImage("in use")));
      await context.apply(pod("uses", { containers: [container("main", image)] }));
      await context.ready("uses");
      const { id } = (await listed(context)).find(({ repoTags }) => repoTags.includes(image))!;
      await crictl(context.cluster, "rmi", id).catch(() => "");
      // Whether it is refused or only loses its name: the pod must not notice, even when it starts again.
      assertEquals((await context.exec("uses", "cat", "/mark")).trim(), "in use");
      await context.exec("uses", "sh", "-c", "ls -R /bin | sha256sum");
    },
  },
  {
    name: "a registry that is down is the reason RegistryUnavailable, and the pod runs once it is back",
    item: "registry down",
    alone: true,
    timeout: 180,
    async run(context) {
      const { cluster, apply, podIs, logs } = context;
      const image = onRegistry(await putImage(context, markedImage("late")));
      await cluster.registryDown();
      try {
        await apply(pod("waits", { containers: [{ name: "main", image }] }));
        const { message } = await waitsFor(
          context,
          "waits",
          [cluster.runtime === "skiff" ? "RegistryUnavailable" : "ErrImagePull", "ImagePullBackOff"],
        );
        assertMatch(message, /[Cc]onnection refused/);
        if (cluster.runtime === "skiff") assertStringIncludes(message, "because the registry is unavailable");
        assertStringIncludes((await eventsOf(context, "waits", "Failed")).join(), image);
      } finally {
        await cluster.registryUp();
      }
      await podIs("waits", "Succeeded", 90);
      assertEquals(await logs("waits"), "late\n");
    },
  },
];
