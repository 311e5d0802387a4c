import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, pod } from "../check.ts";
import { eventsOf, markedImage, onPrivate, putImage, waitsFor } from "../image_checks.ts";

/** A pull secret as `kubectl create secret docker-registry` makes it. */
async function pullSecret({ cluster, kubectl }: CheckContext, name: string, password: string): Promise<void> {
  const { port, user } = cluster.privateRegistry;
  await kubectl(
    ...["create", "secret", "docker-registry", name, `--docker-server=127.0.0.1:${port}`],
    ...[`--docker-username=${user}`, `--docker-password=${password}`],
  );
}

const podOf = (name: string, image: string, secret?: string) =>
  pod(name, {
    containers: [{ name: "main", image }],
    ...secret ? { imagePullSecrets: [{ name: secret }] } : {},
  });

export const checks: Check[] = [
  {
    name: "a private image runs with a pull secret, and not without or with a wrong one",
    item: "private registry with imagePullSecrets",
    async run(context) {
      const { cluster, apply, podIs, logs } = context;
      const image = onPrivate(cluster, await putImage(context, markedImage("private")));
      await pullSecret(context, "right", cluster.privateRegistry.password);
      await pullSecret(context, "wrong", "not the password");
      await apply(podOf("without", image), podOf("wrong", image, "wrong"));
      for (const name of ["without", "wrong"]) {
        const { message } = await waitsFor(context, name, ["ErrImagePull", "ImagePullBackOff"]);
        assertMatch(message, /401|[Uu]nauthorized|authorization failed|no basic auth/);
        assert(!message.includes("not the password"), message);
        if (cluster.runtime === "skiff") assertStringIncludes(message, "check the pull secret");
      }
      await apply(podOf("right", image, "right"));
      await podIs("right", "Succeeded");
      assertEquals(await logs("right"), "private\n");
      const [status] = (await context.get("pod", "right")).status.containerStatuses;
      assertMatch(status.imageID, new RegExp(`^127\\.0\\.0\\.1:${cluster.privateRegistry.port}/.*@sha256:`));
      // The credentials are nobody's business but the registry's.
      assert(!(await cluster.log("daemon")).includes(cluster.privateRegistry.password), "the password is in the log");
    },
  },
  {
    name: "a private image that is on the node is not given to a pod that has no secret for it",
    item: "KubeletEnsureSecretPulledImages",
    async run(context) {
      const { cluster, apply, podIs } = context;
      const image = onPrivate(cluster, await putImage(context, markedImage("secret")));
      await pullSecret(context, "right", cluster.privateRegistry.password);
      await apply(podOf("first", image, "right"));
      await podIs("first", "Succeeded");
      await apply(podOf("stranger", image));
      await waitsFor(context, "stranger", ["ErrImagePull", "ImagePullBackOff"]);
      await apply(podOf("friend", image, "right"));
      await podIs("friend", "Succeeded");
      assertMatch((await eventsOf(context, "friend", "Pulled"))[0], /already present/);
    },
  },
  {
    name: "the secrets of a service account are used for its pods",
    item: "imagePullSecrets of a service account",
    async run(context) {
      const { cluster, apply, podIs, logs } = context;
      const image = onPrivate(cluster, await putImage(context, markedImage("by account")));
      await pullSecret(context, "right", cluster.privateRegistry.password);
      await apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "puller" },
        imagePullSecrets: [{ name: "right" }],
      });
      await apply(pod("pulls", { serviceAccountName: "puller", containers: [{ name: "main", image }] }));
      await podIs("pulls", "Succeeded");
      assertEquals(await logs("pulls"), "by account\n");
    },
  },
  {
    name: "pods that want the same image at once share one download",
    item: "parallel pulls joined",
    async run(context) {
      const { cluster, apply, podIs } = context;
      const content = markedImage("shared", 40_000_000);
      const image = onPrivate(cluster, await putImage(context, content));
      await pullSecret(context, "right", cluster.privateRegistry.password);
      const names = Array.from({ length: 5 }, (_, at) => `p${at}`);
      await apply(...names.map((name) =>
        pod(name, {
          imagePullSecrets: [{ name: "right" }],
          containers: [{ name: "main", image, imagePullPolicy: "Always" }],
        })
      ));
      for (const name of names) {
        await podIs(name, "Succeeded");
        assertEquals(await context.logs(name), "shared\n");
        assertMatch((await eventsOf(context, name, "Pulled"))[0], /Successfully pulled/);
      }
      const requests = (await cluster.run("cat", `${cluster.dir}/private-registry.log`)).split("\n");
      const [, large] = content.layers;
      const downloads = requests.filter((line) => line.includes("GET ") && line.includes(`/blobs/${large.digest} `));
      assertEquals(downloads.length, 1, downloads.join("\n"));
    },
  },
];
