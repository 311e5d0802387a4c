import {
  NamespaceMode,
  type PodSandboxConfig,
  Protocol,
  type RunPodSandboxRequest,
} from "../../proto/gen/runtime/v1/api.ts";
import { parseSysctl } from "../network/mod.ts";
import { podUserNamespace } from "../oci/mod.ts";
import { Code, messageOf, RpcError } from "../rpc/mod.ts";
import { absolutePath, dnsWord, hostname, invalid, nameText, plainText, required, textMap } from "./check.ts";

const MAX_DNS_WORDS = 64;

/** Every string of a RunPodSandbox request, before any of it is used. RpcError INVALID_ARGUMENT names the field. */
export function checkRunPodSandbox(request: RunPodSandboxRequest): void {
  const config = required("config", request.config);
  plainText("runtime_handler", request.runtimeHandler, { empty: true });
  const metadata = required("config.metadata", config.metadata);
  nameText("config.metadata.name", metadata.name);
  nameText("config.metadata.namespace", metadata.namespace);
  nameText("config.metadata.uid", metadata.uid);
  hostname("config.hostname", config.hostname);
  absolutePath("config.log_directory", config.logDirectory, { empty: true });
  textMap("config.labels", config.labels);
  textMap("config.annotations", config.annotations);
  checkDns(config);
  checkPorts(config);
  checkLinux(config);
}

function checkDns({ dnsConfig }: PodSandboxConfig): void {
  for (
    const [name, words] of Object.entries({
      servers: dnsConfig?.servers,
      searches: dnsConfig?.searches,
      options: dnsConfig?.options,
    })
  ) {
    if (!words) continue;
    if (words.length > MAX_DNS_WORDS) {
      throw invalid(`config.dns_config.${name}`, words.length, `must have at most ${MAX_DNS_WORDS} entries`);
    }
    for (const word of words) dnsWord(`config.dns_config.${name}`, word);
  }
}

function checkPorts({ portMappings }: PodSandboxConfig): void {
  for (const { containerPort, hostPort, hostIp, protocol } of portMappings) {
    if (containerPort < 0 || containerPort > 65535 || (hostPort > 0 && containerPort === 0)) {
      throw invalid("config.port_mappings.container_port", containerPort, "must be 1 to 65535");
    }
    if (hostPort < 0 || hostPort > 65535) {
      throw invalid("config.port_mappings.host_port", hostPort, "must be 0 to 65535");
    }
    if (hostIp && !/^[0-9A-Fa-f:.]+$/.test(hostIp)) {
      throw invalid("config.port_mappings.host_ip", hostIp, "must be an IP address");
    }
    if (![Protocol.TCP, Protocol.UDP, Protocol.SCTP].includes(protocol)) {
      throw invalid("config.port_mappings.protocol", protocol, "must be TCP, UDP or SCTP");
    }
  }
}

function checkLinux({ linux }: PodSandboxConfig): void {
  checkCgroupParent("config.linux.cgroup_parent", linux?.cgroupParent ?? "");
  for (const [name, value] of Object.entries(linux?.sysctls ?? {})) checkSysctl(name, value);
  const options = linux?.securityContext?.namespaceOptions;
  if (!options) return;
  if (![NamespaceMode.POD, NamespaceMode.NODE].includes(options.network)) {
    throw invalid(
      "config.linux.security_context.namespace_options.network",
      NamespaceMode[options.network],
      "must be POD or NODE",
    );
  }
  if (![NamespaceMode.POD, NamespaceMode.NODE].includes(options.ipc)) {
    throw invalid(
      "config.linux.security_context.namespace_options.ipc",
      NamespaceMode[options.ipc],
      "must be POD or NODE",
    );
  }
  if (![NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.NODE].includes(options.pid)) {
    throw invalid(
      "config.linux.security_context.namespace_options.pid",
      NamespaceMode[options.pid],
      "must be POD, CONTAINER or NODE for a pod",
    );
  }
  podUserNamespace(options);
}

/** A path, or the name of a systemd slice: which of them it has to be, the cgroup driver knows. */
function checkCgroupParent(field: string, parent: string): void {
  plainText(field, parent, { empty: true });
  if (parent.includes("/") || !parent.endsWith(".slice")) absolutePath(field, parent, { empty: true });
}

function checkSysctl(name: string, value: string): void {
  try {
    parseSysctl(name, value);
  } catch (error) {
    throw new RpcError(Code.INVALID_ARGUMENT, `config.linux.sysctls: ${messageOf(error)}`);
  }
}
