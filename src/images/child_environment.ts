import type { Config } from "../config/types.ts";
import type { Kernel } from "../sys/mod.ts";
import { environmentOf } from "./environment.ts";

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

export interface ChildEnvironmentOptions {
  /** Adds proxies and where the node's certificates are. */
  network: boolean;
  proxy?: Config["images"]["proxy"];
}

/** A proxy elsewhere cannot reach what is on this node. */
const ALWAYS_DIRECT = ["localhost", "127.0.0.0/8", "::1"];

export function childEnvironment(
  kernel: Kernel,
  { network, proxy }: ChildEnvironmentOptions,
): Record<string, string> {
  const names = [...ALWAYS, ...(Deno.build.standalone ? [] : FROM_SOURCE), ...(network ? NETWORK : [])];
  const environment = environmentOf(kernel, new RegExp(`^(?:${names.join("|")})$`));
  if (!network) return environment;
  // Deno's own list of authorities is Mozilla's; a node's administrator adds to the node's.
  environment.DENO_TLS_CA_STORE ??= "system";
  setProxies(environment, proxy);
  return environment;
}

/** The configuration wins over the environment; both spellings of a variable count. */
function setProxies(environment: Record<string, string>, proxy: Config["images"]["proxy"] | undefined): void {
  const set = (name: string, value: string) => {
    delete environment[name.toLowerCase()];
    environment[name] = value;
  };
  if (proxy?.http) set("HTTP_PROXY", proxy.http);
  if (proxy?.https) set("HTTPS_PROXY", proxy.https);
  const given = environment.no_proxy ?? environment.NO_PROXY ?? "";
  const direct = proxy && proxy.noProxy.length > 0 ? proxy.noProxy.join(",") : given;
  set("NO_PROXY", [direct, ...ALWAYS_DIRECT].filter((part) => part !== "").join(","));
}
