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
  return {
    kind: "registry",
    repository: reference.path,
    endpoints: [...mirrors, { url: `${scheme}://${server}`, auth }],
    stallMilliseconds: images.stallTimeoutSeconds * 1000,
  };
}
