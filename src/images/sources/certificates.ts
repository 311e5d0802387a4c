import type { Kernel } from "../../sys/mod.ts";
import type { Endpoint } from "../child_events.ts";
import { readRegularText } from "./regular_file.ts";

/** What a registry's folder below certs.d holds: contents for the child, paths for people. */
export interface Certificates {
  tls: NonNullable<Endpoint["tls"]> | undefined;
  files: string[];
}

/**
 * Reads the folder of a host, as image names write it, from the first of the folders that has one: every `*.crt` is an
 * authority, the first `*.cert` with its `*.key` is our own. containers-certs.d(5)
 * @throws Error that names the file which is missing, or cannot be read.
 */
export function certificatesOf(kernel: Kernel, folders: readonly string[], host: string): Certificates {
  const folder = folders.map((parent) => `${parent}/${host}`).find((path) => kernel.exists(path));
  if (folder === undefined) return { tls: undefined, files: [] };
  const names = kernel.readDirectory(folder).map(({ name }) => name).sort();
  const files: string[] = [];
  const read = (name: string, kind: RegExp) => {
    const path = `${folder}/${name}`;
    const text = readRegularText(kernel, path) ?? "";
    if (!kind.test(text)) throw new Error(`${path} holds no PEM block of the kind that its name says`);
    files.push(path);
    return text;
  };
  const caCerts = names.filter((name) => name.endsWith(".crt")).map((name) => read(name, CERTIFICATE));
  const own = names.filter((name) => name.endsWith(".cert")).map((name) => name.slice(0, -".cert".length));
  for (const key of names.filter((name) => name.endsWith(".key"))) {
    if (!own.includes(key.slice(0, -".key".length))) throw new Error(`${folder}/${key} has no .cert file beside it`);
  }
  if (own.length === 0) return { tls: caCerts.length === 0 ? undefined : { caCerts }, files };
  const [name] = own;
  if (!names.includes(`${name}.key`)) throw new Error(`${folder}/${name}.cert has no .key file beside it`);
  const [cert, key] = [read(`${name}.cert`, CERTIFICATE), read(`${name}.key`, PRIVATE_KEY)];
  return { tls: { caCerts, cert, key }, files };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
