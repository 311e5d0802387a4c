import { X509Certificate } from "node:crypto";
import type { Kernel } from "../../sys/mod.ts";
import { environmentOf } from "../environment.ts";
import { readRegularText } from "./regular_file.ts";

/** Of all that the folders add: the public authorities take a tenth of it. */
const MAX_AUTHORITIES = 2 << 20;
/** Where openssl looks when SSL_CERT_FILE says nothing else: Debian's and Alpine's, Fedora's, SUSE's. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
/** Files that are read before others get a turn. */
const SLICE = 10;

/**
 * The authorities (PEM) that the folders of SSL_CERT_DIR have and the node's one file has not: what reads that file for the
 * children knows of no folders. What cannot be read, or is no certificate, is passed over, as openssl does.
 * @throws Error when it is more than a pull can be told.
 */
export async function authoritiesInFolders(kernel: Kernel): Promise<string[]> {
  const { SSL_CERT_DIR = "", SSL_CERT_FILE } = environmentOf(kernel, /^SSL_CERT_(?:DIR|FILE)$/);
  const folders = SSL_CERT_DIR.split(":").filter((path) => path.startsWith("/") && kernel.exists(path));
  if (folders.length === 0) return [];
  const bundle = SSL_CERT_FILE || BUNDLES.find((path) => kernel.exists(path));
  const known = new Set(bundle === undefined ? [] : certificatesIn(kernel, bundle));
  const found: string[] = [];
  let length = 0;
  let files = 0;
  for (const folder of folders) {
    for (const { name } of kernel.readDirectory(folder)) {
      if (++files % SLICE === 0) await new Promise((resolve) => setTimeout(resolve));
      for (const block of certificatesIn(kernel, `${folder}/${name}`)) {
        if (known.has(block)) continue;
        known.add(block);
        if (!isCertificate(block)) continue;
        found.push(block);
        length += block.length;
        if (length > MAX_AUTHORITIES) {
          throw new Error(`SSL_CERT_DIR (${SSL_CERT_DIR}) has over ${MAX_AUTHORITIES} bytes`);
        }
      }
    }
  }
  return found;
}

function certificatesIn(kernel: Kernel, path: string): string[] {
  try {
    return (readRegularText(kernel, path) ?? "").match(BLOCK) ?? [];
  } catch {
    return [];
  }
}

/** One that is none would spoil all the others for whoever is told of them. */
function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}
