import type { Config } from "../config/types.ts";
import type { Endpoint, FetchSource } from "./child_events.ts";
import type { Reference } from "./reference.ts";
import type { RegistryAuth } from "./types.ts";

/** Names whose servers go by another one. */
const SERVERS: Record<string, string> = { "docker.io": "registry-1.docker.io" };

/** Mirrors first, in the configuration's order, then the registry itself, which alone gets the credentials. */
export function registrySource(
  reference: Reference,
  auth: RegistryAuth | undefined,
  images: Config["images"],
): FetchSource {
  const settings = images.registries[reference.domain];
  const mirrors: Endpoint[] = (settings?.mirrors ?? []).map(({ url }) => ({ url, mirrorOf: reference.domain }));
  const scheme = settings?.plainHttp ? "http" : "https";
  const server = SERVERS[reference.domain] ?? reference.domain;
  const credentials = isFor(auth, reference.domain, server) ? auth : undefined;
  return {
    kind: "registry",
    repository: reference.path,
    endpoints: [...mirrors, { url: `${scheme}://${server}`, auth: credentials }],
    stallMilliseconds: images.stallTimeoutSeconds * 1000,
  };
}

/** Credentials that name a server are not for any other. Docker's own list of them has the registry under an old address. */
function isFor(auth: RegistryAuth | undefined, ...hosts: string[]): boolean {
  const address = auth?.serverAddress ?? "";
  if (address === "") return true;
  const host = address.replace(/^https?:\/\//, "").split("/")[0];
  return hosts.includes(host) || (hosts.includes("docker.io") && host === "index.docker.io");
}
