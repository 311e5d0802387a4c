import { assertEquals, assertThrows } from "@std/assert";
import { CreateContainerRequest, NamespaceMode, RunPodSandboxRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { checkCreateContainer } from "../../../src/cri/check_container.ts";
import { checkRunPodSandbox } from "../../../src/cri/check_pod.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";

type Deep = Record<string, any>;
const pod = (config: Deep = {}) =>
  RunPodSandboxRequest.fromPartial({
    config: { metadata: { name: "a", namespace: "default", uid: "u-1" }, ...config },
  });
const container = (config: Deep = {}) =>
  CreateContainerRequest.fromPartial({
    podSandboxId: "p",
    config: { metadata: { name: "c" }, image: { image: "busybox" }, ...config },
  });

function refused(check: () => void, field: string): void {
  const error = assertThrows(check, RpcError, field) as RpcError;
  assertEquals(error.code, Code.INVALID_ARGUMENT);
}

Deno.test("checkRunPodSandbox() takes a plain request", () =>
  checkRunPodSandbox(pod({ hostname: "web-0", logDirectory: "/var/log/pods/x" })));

const badPods: [string, Deep, string][] = [
  ["no metadata", { metadata: undefined }, "config.metadata"],
  [
    "a namespace that is a path",
    { metadata: { name: "a", namespace: "../etc", uid: "u" } },
    "config.metadata.namespace",
  ],
  ["a uid of ..", { metadata: { name: "a", namespace: "n", uid: ".." } }, "config.metadata.uid"],
  [
    "a name that adds a CNI argument",
    { metadata: { name: "a;IP=1.2.3.4", namespace: "n", uid: "u" } },
    "config.metadata.name",
  ],
  ["a newline in the hostname", { hostname: "a\nb" }, "config.hostname"],
  ["a hostname over 64 bytes", { hostname: "a".repeat(65) }, "config.hostname"],
  ["a relative log folder", { logDirectory: "logs" }, "config.log_directory"],
  ["a log folder that climbs", { logDirectory: "/var/log/../../etc" }, "config.log_directory"],
  [
    "a newline in a DNS server",
    { dnsConfig: { servers: ["1.1.1.1\nnameserver 6.6.6.6"] } },
    "config.dns_config.servers",
  ],
  ["U+0085 in a DNS search", { dnsConfig: { searches: ["a\u0085b"] } }, "config.dns_config.searches"],
  ["a space in a DNS option", { dnsConfig: { options: ["ndots:5 x"] } }, "config.dns_config.options"],
  ["a host port over 65535", { portMappings: [{ hostPort: 70000, containerPort: 80 }] }, "host_port"],
  ["a host IP that is no address", { portMappings: [{ hostPort: 80, containerPort: 80, hostIp: "x; rm" }] }, "host_ip"],
  ["a cgroup parent that climbs", { linux: { cgroupParent: "/a/../../b" } }, "cgroup_parent"],
  ["a target pid namespace for a pod", {
    linux: { securityContext: { namespaceOptions: { pid: NamespaceMode.TARGET } } },
  }, "namespace_options.pid"],
  ["labels over a MiB", { labels: { a: "x".repeat(2 << 20) } }, "config.labels"],
];
for (const [what, config, field] of badPods) {
  Deno.test(`checkRunPodSandbox() refuses ${what}`, () => refused(() => checkRunPodSandbox(pod(config)), field));
}

const badContainers: [string, Deep, string][] = [
  ["no image", { image: undefined }, "config.image"],
  ["a log path that climbs", { logPath: "../../etc/cron.d/x" }, "config.log_path"],
  ["an absolute log path", { logPath: "/etc/x" }, "config.log_path"],
  ["a newline in the log path", { logPath: "a\nb" }, "config.log_path"],
  ["a relative working directory", { workingDir: "tmp" }, "config.working_dir"],
  ["a million envs", { envs: Array.from({ length: 30_000 }, () => ({ key: "a" })) }, "config.envs"],
];
for (const [what, config, field] of badContainers) {
  Deno.test(`checkCreateContainer() refuses ${what}`, () =>
    refused(() => checkCreateContainer(container(config)), field));
}
