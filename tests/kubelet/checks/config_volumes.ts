/** Files that the API has: config maps, secrets, tokens, a pod's own fields. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Check, configMap, pod, script, secret } from "../check.ts";
import { outputOf } from "../output.ts";

const at = (mountPath: string, fields: Record<string, unknown> = {}) => ({
  volumeMounts: [{ name: "v", mountPath, ...fields }],
});

export const checks: Check[] = [
  {
    name: "a config map's keys are files, all of them or those that are picked, with their modes",
    item: "configMap volume",
    async run(context) {
      await context.apply(
        configMap("map", { one: "first\n", two: "second\n" }, { binaryData: { bytes: btoa("\x00\xff\x01") } }),
      );
      const all = { name: "v", configMap: { name: "map", defaultMode: 0o640 } };
      const text = "cd /v; for f in *; do stat -Lc '%n %a' $f; done; cat one two; xxd -p bytes";
      assertEquals(
        await outputOf(context, text, { name: "all", spec: { volumes: [all] }, container: at("/v") }),
        "bytes 640\none 640\ntwo 640\nfirst\nsecond\n00ff01",
      );
      const items = [{ key: "two", path: "deep/down/file", mode: 0o400 }];
      const picked = { name: "v", configMap: { name: "map", items } };
      assertEquals(
        await outputOf(context, "cd /v; ls; stat -Lc %a deep/down/file; cat deep/down/file", {
          name: "picked",
          spec: { volumes: [picked] },
          container: at("/v"),
        }),
        "deep\n400\nsecond",
      );
    },
  },
  {
    name: "a config map's key is mounted over a single file of the image",
    item: "configMap volume, subPath",
    async run(context) {
      await context.apply(configMap("map", { issue: "of the map" }));
      const volumes = [{ name: "v", configMap: { name: "map" } }];
      const text = "cat /etc/group; echo; head -1 /etc/passwd";
      const output = await outputOf(context, text, {
        spec: { volumes },
        container: at("/etc/group", { subPath: "issue", readOnly: true }),
      });
      assertEquals(output, "of the map\nroot:x:0:0:root:/root:/bin/sh");
    },
  },
  {
    name: "a secret's files are in memory, with the modes that are asked for",
    item: "secret volume",
    async run(context) {
      const { cluster, apply, podIs, logs } = context;
      await apply(secret("hidden", { password: "correct horse" }));
      const items = [{ key: "password", path: "pass", mode: 0o440 }];
      const text = "cat /v/pass; stat -Lc ' %a' /v/pass; stat -fc %T /v; touch /v/file || echo read-only";
      await apply(pod("looks", {
        volumes: [{ name: "v", secret: { secretName: "hidden", items } }],
        containers: [script("main", cluster.image("busybox"), text, at("/v", { readOnly: true }))],
      }));
      await podIs("looks", "Succeeded");
      const lines = (await logs("looks")).trimEnd().split("\n").filter((line) => !line.startsWith("touch:"));
      assertEquals(lines, ["correct horse 440", "tmpfs", "read-only"]);
    },
  },
  {
    name: "a projected volume has a token for its audience beside config map, secret and fields",
    item: "projected volume",
    async run(context) {
      const { namespace, apply } = context;
      await apply(configMap("map", { one: "of the map" }), secret("hidden", { two: "of the secret" }));
      const sources = [
        { configMap: { name: "map" } },
        { secret: { name: "hidden" } },
        { downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
        { serviceAccountToken: { path: "token", audience: "somebody", expirationSeconds: 600 } },
      ];
      const text = "cd /v; for f in one two name token; do cat $f; echo; done";
      const spec = { volumes: [{ name: "v", projected: { sources } }] };
      const [one, two, name, token] = (await outputOf(context, text, { spec, container: at("/v") })).split("\n");
      assertEquals([one, two, name], ["of the map", "of the secret", "looks"]);
      const claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
      assertEquals([claims.aud, claims.sub], [["somebody"], `system:serviceaccount:${namespace}:default`]);
      assertEquals(claims["kubernetes.io"].pod.name, "looks");
    },
  },
  {
    name: "a service account's token is in every container, unless the pod wants none",
    item: "service account token",
    async run(context) {
      const folder = "/var/run/secrets/kubernetes.io/serviceaccount";
      const text = `cat ${folder}/namespace && echo && head -1 ${folder}/ca.crt && wc -c <${folder}/token`;
      const [namespace, certificate, size] = (await outputOf(context, text, { name: "has" })).split("\n");
      assertEquals([namespace, certificate], [context.namespace, "-----BEGIN CERTIFICATE-----"]);
      assert(Number(size) > 500, size);
      const spec = { automountServiceAccountToken: false };
      assertEquals(await outputOf(context, `ls ${folder} 2>/dev/null || echo none`, { name: "none", spec }), "none");
    },
  },
  {
    name: "a pod's labels, annotations and resources are files",
    item: "downwardAPI volume",
    async run(context) {
      const field = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } });
      const resource = (path: string, resource: string, divisor: string) => ({
        path,
        resourceFieldRef: { containerName: "main", resource, divisor },
      });
      const items = [
        field("labels", "metadata.labels"),
        field("note", "metadata.annotations['note']"),
        resource("cpu", "limits.cpu", "1m"),
        resource("memory", "requests.memory", "1Mi"),
      ];
      const text = "cd /v; for f in labels note cpu memory; do cat $f; echo; done";
      const output = await outputOf(context, text, {
        metadata: { labels: { colour: "blue", shape: "round" }, annotations: { note: "a note" } },
        spec: { volumes: [{ name: "v", downwardAPI: { items } }] },
        container: {
          ...at("/v"),
          resources: { limits: { cpu: "250m", memory: "64Mi" }, requests: { cpu: "10m", memory: "24Mi" } },
        },
      });
      assertEquals(output, 'colour="blue"\nshape="round"\na note\n250\n24');
    },
  },
  {
    name: "a changed config map is seen in the running container",
    item: "configMap update",
    async run({ cluster, apply, ready, exec, until, kubectl, get }) {
      await apply(configMap("map", { key: "old" }));
      const text = "exec sleep 3600";
      await apply(pod("watches", {
        volumes: [{ name: "v", configMap: { name: "map" } }],
        containers: [script("main", cluster.image("busybox"), text, at("/v"))],
      }));
      await ready("watches");
      assertEquals(await exec("watches", "cat", "/v/key"), "old");
      await apply(configMap("map", { key: "new" }));
      // The kubelet looks at the pod's volumes again when anything of the pod changes.
      await kubectl("annotate", "pod", "watches", "look=again");
      await until("the new value is seen", async () => await exec("watches", "cat", "/v/key") === "new", 90);
      assertEquals((await get("pod", "watches")).status.containerStatuses[0].restartCount, 0);
      assertMatch(await exec("watches", "readlink", "/v/..data"), /^\.\.\d{4}_/);
    },
  },
];
