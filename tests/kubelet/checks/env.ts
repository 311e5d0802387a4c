/** A container's command, and its environment from everywhere. */
import { assertEquals, assertMatch } from "@std/assert";
import { type Check, configMap, container, pod, secret, service } from "../check.ts";
import { eventOf, outputOf } from "../output.ts";

export const checks: Check[] = [
  {
    name: "variables come from values, config maps and secrets",
    item: "env",
    async run(context) {
      await context.apply(configMap("map", { key: "of the map" }), secret("hidden", { key: "of the secret" }));
      const env = [
        { name: "LITERAL", value: 'a "value" with\nits $signs and = too' },
        { name: "EMPTY", value: "" },
        { name: "MAP", valueFrom: { configMapKeyRef: { name: "map", key: "key" } } },
        { name: "SECRET", valueFrom: { secretKeyRef: { name: "hidden", key: "key" } } },
        { name: "ABSENT", valueFrom: { configMapKeyRef: { name: "none", key: "key", optional: true } } },
      ];
      const text = 'printf "%s|" "$LITERAL" "${EMPTY-unset}" "$MAP" "$SECRET" "${ABSENT-unset}"';
      assertEquals(
        await outputOf(context, text, { container: { env } }),
        'a "value" with\nits $signs and = too||of the map|of the secret|unset|',
      );
    },
  },
  {
    name: "a variable of a config map that is not there keeps the container from starting",
    item: "env",
    async run(context) {
      const { cluster, apply } = context;
      const env = [{ name: "ABSENT", valueFrom: { configMapKeyRef: { name: "none", key: "key" } } }];
      await apply(pod("waits", { containers: [container("main", cluster.image("busybox"), { env })] }));
      await eventOf(context, "waits", /^Failed: .*configmap "none" not found/);
    },
  },
  {
    name: "variables come from the pod's own fields",
    item: "env fieldRef",
    async run(context) {
      const { cluster, namespace, get } = context;
      const fields = {
        NAME: "metadata.name",
        NAMESPACE: "metadata.namespace",
        POD_UID: "metadata.uid",
        LABEL: "metadata.labels['colour']",
        ANNOTATION: "metadata.annotations['note']",
        NODE: "spec.nodeName",
        ACCOUNT: "spec.serviceAccountName",
        POD_IP: "status.podIP",
        NODE_IP: "status.hostIP",
      };
      const env = Object.entries(fields).map(([name, fieldPath]) => ({ name, valueFrom: { fieldRef: { fieldPath } } }));
      const text = Object.keys(fields).map((name) => `echo "$${name}"`).join("; ") +
        "; ip -o -4 addr show eth0 | grep -qw $POD_IP && echo has the address";
      const output = await outputOf(context, text, {
        name: "knows-itself",
        container: { env },
        metadata: { labels: { colour: "blue" }, annotations: { note: "one\ttwo" } },
      });
      const { metadata, status } = await get("pod", "knows-itself");
      assertEquals(output.split("\n"), [
        "knows-itself",
        namespace,
        metadata.uid,
        "blue",
        "one\ttwo",
        cluster.nodeName,
        "default",
        status.podIP,
        cluster.nodeIP,
        "has the address",
      ]);
    },
  },
  {
    name: "variables come from the container's resources",
    item: "env resourceFieldRef",
    async run(context) {
      const resources = { requests: { cpu: "25m", memory: "16Mi" }, limits: { cpu: "1500m", memory: "64Mi" } };
      const of = (resource: string, divisor: string) => ({ resourceFieldRef: { resource, divisor } });
      const env = [
        { name: "CPU", valueFrom: of("limits.cpu", "1m") },
        { name: "CORES", valueFrom: of("limits.cpu", "1") },
        { name: "REQUEST", valueFrom: of("requests.cpu", "1m") },
        { name: "MEMORY", valueFrom: of("limits.memory", "1Mi") },
      ];
      const text = "echo $CPU $CORES $REQUEST $MEMORY";
      assertEquals(await outputOf(context, text, { container: { env, resources } }), "1500 2 25 64");
    },
  },
  {
    name: "whole config maps and secrets become variables, with a prefix or without",
    item: "envFrom",
    async run(context) {
      await context.apply(configMap("map", { ONE: "1", TWO: "2" }), secret("hidden", { THREE: "3" }));
      const envFrom = [{ prefix: "P_", configMapRef: { name: "map" } }, { secretRef: { name: "hidden" } }];
      const env = [{ name: "P_TWO", value: "own" }];
      const output = await outputOf(context, "echo $P_ONE $P_TWO $THREE ${ONE-unset}", { container: { envFrom, env } });
      assertEquals(output, "1 own 3 unset");
    },
  },
  {
    name: "$(NAME) is put in place in commands, arguments and other variables",
    item: "$(VAR) expansion",
    async run({ cluster, apply, podIs, logs }) {
      const env = [
        { name: "WORD", value: "hello" },
        { name: "PAIR", value: "$(WORD) $$(WORD) $(NONE)" },
      ];
      const main = {
        name: "main",
        image: cluster.image("busybox"),
        command: ["printf", "%s|", "$(WORD)"],
        args: ["$(PAIR)", "$$(WORD)", "$(NONE)"],
        env,
      };
      await apply(pod("expands", { containers: [main] }));
      await podIs("expands", "Succeeded");
      assertEquals(await logs("expands"), "hello|hello $(WORD) $(NONE)|$(WORD)|$(NONE)|");
    },
  },
  {
    name: "services of the namespace become variables, unless the pod wants none",
    item: "env of services",
    async run(context) {
      const { apply, get, until } = context;
      await apply(service("web", "nothing", 8080, 80));
      const { spec: { clusterIP } } = await get("service", "web");
      const text = "echo ${WEB_SERVICE_HOST-unset} ${WEB_SERVICE_PORT-unset} ${KUBERNETES_SERVICE_PORT-unset}";
      let attempt = 0;
      // The kubelet hears of a service a moment after it was made.
      await until(
        "the service's address is a variable",
        async () => await outputOf(context, text, { name: `with-${++attempt}` }) === `${clusterIP} 8080 443`,
        30,
      );
      const without = await outputOf(context, text, { name: "without", spec: { enableServiceLinks: false } });
      assertMatch(without, /^unset unset \d+$/);
    },
  },
  {
    name: "a container has the entrypoint, arguments, variables, user and folder of its image",
    item: "command and args",
    async run({ cluster, apply, podIs, logs }) {
      const main = { name: "main", image: cluster.image("configured") };
      const env = [{ name: "OVERRIDDEN", value: "pod" }];
      await apply(pod("as-built", { containers: [main] }));
      await apply(pod("changed", { containers: [{ ...main, args: ["other"], workingDir: "/tmp", env }] }));
      await podIs("as-built", "Succeeded");
      await podIs("changed", "Succeeded");
      const lines = async (name: string) => (await logs(name)).split("\n");
      const [words, id, folder, ...rest] = await lines("as-built");
      assertEquals([words, folder], ["entrypoint from cmd", "/srv/work"]);
      assertMatch(id, /^uid=1000\(app\) gid=1001\(app\)/);
      assertEquals(rest.includes("FROM_IMAGE=image") && rest.includes("OVERRIDDEN=image"), true);
      const changed = await lines("changed");
      assertEquals([changed[0], changed[2]], ["entrypoint other", "/tmp"]);
      assertEquals(changed.includes("FROM_IMAGE=image") && changed.includes("OVERRIDDEN=pod"), true);
    },
  },
];
