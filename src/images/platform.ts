/** https://github.com/opencontainers/image-spec/blob/main/image-index.md; all fields as Go names them, variant "" for none. */
export interface Platform {
  os: string;
  architecture: string;
  variant: string;
}

const ARCHITECTURES: Record<string, string> = { x86_64: "amd64", aarch64: "arm64" };

/** @param configured os/arch[/variant] of the configuration; empty: this machine's. */
export function nodePlatform(configured: string): Platform {
  if (configured === "") {
    return { os: "linux", architecture: ARCHITECTURES[Deno.build.arch] ?? Deno.build.arch, variant: "" };
  }
  const [os, architecture, variant = ""] = configured.split("/");
  return { os, architecture, variant };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === "" ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/**
 * The entry of an index that fits. A lone entry that names no platform is taken as it is. Among several of the right
 * architecture the wanted variant wins, then the one every machine of the architecture runs.
 */
export function selectPlatform<T extends { platform?: Platform }>(entries: T[], wanted: Platform): T | undefined {
  if (entries.length === 1 && !entries[0].platform) return entries[0];
  const fitting = entries.filter(({ platform }) =>
    platform?.os === wanted.os && platform.architecture === wanted.architecture
  );
  const variants = wanted.variant === "" ? BASELINES[wanted.architecture] ?? [""] : [wanted.variant];
  for (const variant of variants) {
    const match = fitting.find(({ platform }) => platform!.variant === variant);
    if (match) return match;
  }
  return wanted.variant === "v8" && wanted.architecture === "arm64"
    ? fitting.find(({ platform }) => platform!.variant === "")
    : undefined;
}

/** Variants that every machine of the architecture runs, the better first. */
const BASELINES: Record<string, string[]> = { amd64: ["", "v1"], arm64: ["v8", ""], arm: ["v7", "v6", "v5", ""] };
