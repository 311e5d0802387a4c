import { isDigest } from "./digest.ts";
import { array, object, optionalString, parseObject } from "./documents.ts";
import type { ImageDefaults } from "./types.ts";

/** An image's config, as far as a runtime needs it. */
export interface ImageConfig {
  diffIds: string[];
  defaults: ImageDefaults;
  labels: Record<string, string>;
}

export const NO_DEFAULTS: ImageDefaults = {
  user: "",
  env: [],
  entrypoint: [],
  cmd: [],
  workingDir: "",
  volumes: [],
  stopSignal: "",
};

/** Entries of any one list or map of a config. */
const MAX_ENTRIES = 100_000;

/** https://github.com/opencontainers/image-spec/blob/main/config.md; Docker's older configs have the same shape. */
export function parseImageConfig(bytes: Uint8Array, maxLayers: number): ImageConfig {
  const document = parseObject(bytes, "the image config");
  const rootfs = object(document.rootfs, "rootfs");
  if (rootfs.type !== undefined && rootfs.type !== "layers") {
    throw new Error(`rootfs.type is ${JSON.stringify(rootfs.type)}, not "layers"`);
  }
  const diffIds = array(rootfs.diff_ids ?? [], "rootfs.diff_ids", maxLayers).map((diffId, index) => {
    if (!isDigest(diffId)) throw new Error(`rootfs.diff_ids[${index}] is not sha256: and 64 lower-case hex digits`);
    return diffId;
  });
  const config = document.config === undefined || document.config === null ? {} : object(document.config, "config");
  const defaults: ImageDefaults = {
    user: plain(optionalString(config, "User") ?? "", "User"),
    env: strings(config, "Env"),
    entrypoint: strings(config, "Entrypoint"),
    cmd: strings(config, "Cmd"),
    workingDir: plain(optionalString(config, "WorkingDir") ?? "", "WorkingDir"),
    volumes: keys(config, "Volumes"),
    stopSignal: plain(optionalString(config, "StopSignal") ?? "", "StopSignal"),
  };
  return { diffIds, defaults, labels: labels(config) };
}

function strings(config: Record<string, unknown>, key: string): string[] {
  return array(config[key] ?? [], `config.${key}`, MAX_ENTRIES).map((value) => {
    if (typeof value !== "string") throw new Error(`config.${key} has an entry that is not a string`);
    return plain(value, key);
  });
}

function keys(config: Record<string, unknown>, key: string): string[] {
  return limited(Object.keys(object(config[key] ?? {}, `config.${key}`)), key).map((name) => plain(name, key));
}

function labels(config: Record<string, unknown>): Record<string, string> {
  const result: Record<string, string> = {};
  const source = object(config.Labels ?? {}, "config.Labels");
  for (const key of limited(Object.keys(source), "Labels")) {
    const value = source[key];
    if (value === null) continue;
    if (typeof value !== "string") throw new Error("config.Labels has a value that is not a string");
    Object.defineProperty(result, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return result;
}

function limited<T>(list: T[], key: string): T[] {
  if (list.length > MAX_ENTRIES) {
    throw new Error(`config.${key} has ${list.length} entries, over the limit of ${MAX_ENTRIES}`);
  }
  return list;
}

/** A NUL would cut the text where it becomes an argument or an environment variable. */
function plain(text: string, key: string): string {
  if (text.includes("\0")) throw new Error(`config.${key} has a NUL byte`);
  return text;
}
