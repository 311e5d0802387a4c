import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, pod } from "../check.ts";
import { crictl, eventsOf, markedImage, onMirror, onRegistry, putImage, waitsFor } from "../image_checks.ts";

/** Runs a pod whose image says which it is, and returns what it says. */
async function marked(context: CheckContext, name: string, image: string, imagePullPolicy: string): Promise<string> {
  await context.apply(pod(name, { containers: [{ name: "main", image, imagePullPolicy }] }));
  await context.podIs(name, "Succeeded");
  return (await context.logs(name)).trim();
}

export const checks: Check[] = [
  {
    name: "IfNotPresent takes what is there though its tag has moved, Always follows the tag",
    item: "pull policies Always, IfNotPresent",
    async run(context) {
      const image = onMirror(await putImage(context, markedImage("before")));
      assertEquals(await marked(context, "first", image, "IfNotPresent"), "before");
      await putImage(context, markedImage("after"));
      assertEquals(await marked(context, "second", image, "IfNotPresent"), "before");
      assertMatch((await eventsOf(context, "second", "Pulled"))[0], /already present/);
      assertEquals(await marked(context, "third", image, "Always"), "after");
      assertMatch((await eventsOf(context, "third", "Pulled"))[0], /Successfully pulled/);
    },
  },
  {
    name: "Never does not pull, and runs what is there",
    item: "pull policy Never",
    async run(context) {
      const image = onMirror(await putImage(context, markedImage("there")));
      await context.apply(pod("never", { containers: [{ name: "main", image, imagePullPolicy: "Never" }] }));
      const { message } = await waitsFor(context, "never", ["ErrImageNeverPull"]);
      assertStringIncludes(message, image);
      assert(!(await crictl(context.cluster, "images")).includes(context.namespace), "it was pulled");
      assertEquals(await marked(context, "pulls", image, "IfNotPresent"), "there");
      // The kubelet tries again by itself.
      await context.podIs("never", "Succeeded");
      assertEquals(await context.logs("never"), "there\n");
    },
  },
  {
    name: "an image that there is not: ErrImagePull with the registry's answer, then ImagePullBackOff with it",
    item: "bad image",
    async run(context) {
      const image = onRegistry("checks/nothing:1");
      await context.apply(pod("bad", { containers: [{ name: "main", image }] }));
      const { message } = await waitsFor(context, "bad", ["ErrImagePull", "ImagePullBackOff"]);
      assertStringIncludes(message, image);
      if (context.cluster.runtime === "skiff") {
        assertStringIncludes(message, "http://127.0.0.1:5000/v2/checks/nothing/manifests/1: 404");
        assertStringIncludes(message, "check the name and the tag");
      } else assertMatch(message, /not found/);
      const later = await waitsFor(context, "bad", ["ImagePullBackOff"]);
      assertStringIncludes(later.message, "Back-off pulling image");
      assertMatch(later.message, /404|not found/);
      const [event] = await eventsOf(context, "bad", "Failed");
      assertStringIncludes(event, image);
    },
  },
  {
    name: "a name that is none is refused before any pull",
    item: "InvalidImageName",
    async run(context) {
      await context.apply(pod("bad", { containers: [{ name: "main", image: "registry.test/UPPER/case:1" }] }));
      const { message } = await waitsFor(context, "bad", ["InvalidImageName"]);
      assertStringIncludes(message, "UPPER/case");
    },
  },
  {
    name: "an image by its digest, and by a tag that has moved with a digest beside it",
    item: "image by digest",
    async run(context) {
      // The node knows it by one name alone, however often this runs.
      const mark = `pinned by ${context.namespace}`;
      const content = markedImage(mark);
      const name = onMirror(await putImage(context, content));
      await putImage(context, markedImage("moved"));
      const repository = name.replace(/:1$/, "");
      for (const [pod, image] of [["digest", repository], ["tag", name]]) {
        const reference = `${image}@${content.manifest.digest}`;
        assertEquals(await marked(context, pod, reference, "Always"), mark);
        const [status] = (await context.get("pod", pod)).status.containerStatuses;
        assertEquals(status.imageID, `${repository}@${content.manifest.digest}`);
        assertStringIncludes(status.image, content.manifest.digest);
      }
    },
  },
  {
    name: "status tells the digest of what runs, and the node lists the image with names and size",
    item: "imageID in status, images in node status",
    async run(context) {
      const content = markedImage("listed", 2_000_000);
      const name = onMirror(await putImage(context, content));
      await marked(context, "lists", name, "IfNotPresent");
      const digest = name.replace(/:1$/, `@${content.manifest.digest}`);
      const [status] = (await context.get("pod", "lists")).status.containerStatuses;
      assertEquals([status.image, status.imageID], [name, digest]);
      const listed = await context.until("the node lists the image", async () => {
        const { images } = (await context.get("node", context.cluster.nodeName)).status;
        return images?.find(({ names }: { names: string[] }) => names.includes(name));
      }, 30);
      assertEquals(listed.names.sort(), [digest, name].sort());
      assert(listed.sizeBytes >= 2_000_000 && listed.sizeBytes < 20_000_000, `${listed.sizeBytes} bytes`);
    },
  },
  {
    name: "a pod that is deleted during its pull goes at once, and the pull can be made again",
    item: "pull cancelled",
    async run(context) {
      const { apply, kubectl, until } = context;
      const image = onMirror(await putImage(context, markedImage("large", 60_000_000)));
      await apply(pod("leaves", { containers: [{ name: "main", image }] }));
      await until("the pull has begun", async () => (await eventsOf(context, "leaves", "Pulling")).length > 0, 20);
      const began = Date.now();
      await kubectl("delete", "pod", "leaves", "--timeout=30s");
      assert(Date.now() - began < 20_000, `it took ${Date.now() - began} ms`);
      await apply(pod("leaves", { containers: [{ name: "main", image }] }));
      await context.podIs("leaves", "Succeeded");
      assertEquals(await context.logs("leaves"), "large\n");
    },
  },
];
