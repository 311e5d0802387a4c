import { type PortMapping, Protocol } from "../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { isAddress } from "./address.ts";
import { bandwidthOf } from "./bandwidth.ts";
import type { PluginConfig } from "./conflist.ts";
import type { PodNetwork } from "./types.ts";

/** A port mapping as the `portMappings` capability takes it (CNI conventions). */
export interface CniPortMapping {
  hostPort: number;
  containerPort: number;
  protocol: "tcp" | "udp" | "sctp";
  hostIP?: string;
}

const PROTOCOLS: Partial<Record<Protocol, CniPortMapping["protocol"]>> = {
  [Protocol.TCP]: "tcp",
  [Protocol.UDP]: "udp",
  [Protocol.SCTP]: "sctp",
};

/** What the runtime can tell plugins about this pod, by capability. RpcError INVALID_ARGUMENT where the pod asks for what cannot be. */
export function capabilityValues(pod: PodNetwork): Record<string, unknown> {
  const values: Record<string, unknown> = { "io.kubernetes.cri.pod-annotations": pod.annotations };
  const portMappings = cniPortMappings(pod.portMappings);
  if (portMappings.length > 0) values.portMappings = portMappings;
  const bandwidth = bandwidthOf(pod.annotations);
  if (bandwidth !== undefined) values.bandwidth = bandwidth;
  if (pod.cgroupParent !== "") values.cgroupPath = pod.cgroupParent;
  return values;
}

/** The values that this plugin's `capabilities` ask for; undefined where it gets none. */
export function runtimeConfigFor(
  plugin: PluginConfig,
  values: Record<string, unknown>,
): Record<string, unknown> | undefined {
  const wanted = Object.keys(plugin.capabilities ?? {})
    .filter((name) => plugin.capabilities![name] && Object.hasOwn(values, name));
  return wanted.length === 0 ? undefined : Object.fromEntries(wanted.map((name) => [name, values[name]]));
}

/** Mappings that have a host port; 0 means none. */
export function cniPortMappings(mappings: PortMapping[]): CniPortMapping[] {
  return mappings.filter((mapping) => mapping.hostPort !== 0).map(cniPortMapping);
}

function cniPortMapping({ protocol, containerPort, hostPort, hostIp }: PortMapping): CniPortMapping {
  const name = PROTOCOLS[protocol];
  if (name === undefined) throw invalid(hostPort, `the protocol ${protocol} is unknown`);
  if (!isPort(hostPort)) throw invalid(hostPort, "a host port is from 1 to 65535");
  if (!isPort(containerPort)) throw invalid(hostPort, `the container port ${containerPort} is not from 1 to 65535`);
  if (hostIp !== "" && !isAddress(hostIp)) {
    throw invalid(hostPort, `the host IP ${JSON.stringify(hostIp.slice(0, 64))} is not an address`);
  }
  return { hostPort, containerPort, protocol: name, ...(hostIp === "" ? {} : { hostIP: hostIp }) };
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

function invalid(hostPort: number, reason: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, `Cannot map host port ${hostPort}: ${reason}`);
}
