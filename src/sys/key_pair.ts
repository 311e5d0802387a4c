import type { Kernel } from "./kernel.ts";

/** Bytes: more than any certificate chain, or key, has cause to be. */
const PEM_MAX = 1 << 20;

/** The certificate chain and key (PEM) in these files; undefined where none are named. */
export function readKeyPair(
  kernel: Kernel,
  { tlsCertFile, tlsKeyFile }: { tlsCertFile: string; tlsKeyFile: string },
): { cert: string; key: string } | undefined {
  if (tlsCertFile === "") return undefined;
  return { cert: kernel.readText(tlsCertFile, PEM_MAX), key: kernel.readText(tlsKeyFile, PEM_MAX) };
}
