import type { Kernel } from "../sys/mod.ts";

/** What any child of ours may know of the environment: where Deno keeps its own files when it runs from source. */
const ALWAYS = ["PATH"];
const FROM_SOURCE = ["HOME", "DENO_DIR"];
const NETWORK = [
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "DENO_TLS_CA_STORE",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
];

/** The environment of a child; `network` adds proxies and where the node's certificates are. */
export function childEnvironment(kernel: Kernel, { network }: { network: boolean }): Record<string, string> {
  const names = [...ALWAYS, ...(Deno.build.standalone ? [] : FROM_SOURCE), ...(network ? NETWORK : [])];
  const environment: Record<string, string> = {};
  for (const line of kernel.readText("/proc/self/environ").split("\0")) {
    const equals = line.indexOf("=");
    if (equals > 0 && names.includes(line.slice(0, equals))) {
      environment[line.slice(0, equals)] = line.slice(equals + 1);
    }
  }
  // Deno's own list of authorities is Mozilla's; a node's administrator adds to the node's.
  if (network) environment.DENO_TLS_CA_STORE ??= "system";
  return environment;
}
