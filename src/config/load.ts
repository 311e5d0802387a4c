import type { Assignment, Reading } from "./document.ts";
import { readDocument, readSetting } from "./document.ts";
import type { Nodes } from "./fields.ts";
import { ConfigError, type Origin, type Problem } from "./problem.ts";
import { SLICE } from "./rules.ts";
import { schema } from "./schema.ts";
import type { Config } from "./types.ts";

export const DEFAULT_CONFIG_FILE = "/etc/skiff/skiff.yaml";

/** How files are reached: the binary's own permissions don't cover every path that a person may name. */
export interface ConfigFiles {
  readText(path: string): string;
  exists(path: string): boolean;
  /** Names in a folder, in any order. */
  list(path: string): string[];
}

export interface LoadOptions {
  /** Instead of /etc/skiff/skiff.yaml; then it must exist. Drop-ins come from the folder `FILE.d` beside it. */
  file?: string;
  /** KEY=VALUE, as of `--set`; they win over every file. */
  settings?: string[];
}

export interface LoadedConfig {
  config: Config;
  /** The files that were read, in order. */
  files: string[];
  /** Where each key (dotted) was set last; a key that has its default is not there. */
  origins: ReadonlyMap<string, Origin>;
}

/**
 * Defaults, then the file, then its drop-ins by name, then settings: a later value wins; lists are replaced, tables merged by name.
 * @throws ConfigError with everything that is wrong in all of them.
 */
export function loadConfig(files: ConfigFiles, options: LoadOptions = {}): LoadedConfig {
  const main = options.file ?? DEFAULT_CONFIG_FILE;
  const paths = [...(options.file !== undefined || files.exists(main) ? [main] : []), ...dropIns(files, `${main}.d`)];
  const readings = [...paths.map((path) => readFile(files, path)), ...(options.settings ?? []).map(readSetting)];
  const problems = readings.flatMap((reading) => reading.problems);
  const { config, origins } = merge(readings.flatMap((reading) => reading.assignments));
  if (config.cgroupDriver === "systemd") nameSlices(config, origins);
  problems.push(...contradictions(config, (key) => origins.get(key) ?? { source: "(default)" }));
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, files: paths, origins };
}

/** Keys whose values have another form for each cgroup driver. */
const CGROUP_KEYS = ["monitorCgroup", "defaultCgroupParent"] as const;

/** The configuration without any file. */
export function defaultConfig(): Config {
  return defaultsOf(schema) as unknown as Config;
}

function dropIns(files: ConfigFiles, folder: string): string[] {
  if (!files.exists(folder)) return [];
  return files.list(folder).filter((name) => name.endsWith(".yaml") && !name.startsWith(".")).sort().map((name) =>
    `${folder}/${name}`
  );
}

function readFile(files: ConfigFiles, path: string): Reading {
  let content: string;
  try {
    content = files.readText(path);
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? error.message : error}`;
    return { assignments: [], problems: [{ origin: { source: path }, key: "", message }] };
  }
  return readDocument(path, content);
}

function merge(assignments: Assignment[]): { config: Config; origins: Map<string, Origin> } {
  const config = defaultConfig();
  const origins = new Map<string, Origin>();
  for (const { path, value, origin } of assignments) {
    assign(config as unknown as Record<string, unknown>, schema, path, value);
    origins.set(path.join("."), origin);
  }
  return { config, origins };
}

/** The defaults that are paths for one cgroup driver are slices for the other. */
function nameSlices(config: Config, origins: ReadonlyMap<string, Origin>): void {
  for (const key of CGROUP_KEYS) if (!origins.has(key)) config[key] = `${config[key].slice(1)}.slice`;
}

function assign(target: Record<string, unknown>, shape: Nodes, path: string[], value: unknown): void {
  const [key, ...rest] = path;
  const node = shape[key];
  if (node.kind === "field") {
    target[key] = value;
  } else if (node.kind === "section") {
    assign(target[key] as Record<string, unknown>, node.fields, rest, value);
  } else {
    const [name, ...below] = rest;
    const entries = target[key] as Record<string, Record<string, unknown>>;
    if (value === undefined) {
      delete entries[name];
      return;
    }
    entries[name] ??= defaultsOf(node.entry);
    if (below.length > 0) assign(entries[name], node.entry, below, value);
  }
}

function defaultsOf(shape: Nodes): Record<string, unknown> {
  const entries = Object.entries(shape);
  return Object.fromEntries(
    entries.map((
      [key, node],
    ) => [key, node.kind === "section" ? defaultsOf(node.fields) : structuredClone(node.default)]),
  );
}

/** Rules that hold between keys. */
function contradictions(config: Config, originOf: (key: string) => Origin): Problem[] {
  const problems: Problem[] = [];
  const names = Object.keys(config.runtimes);
  if (!names.includes(config.defaultRuntime)) {
    const message = `is "${config.defaultRuntime}", which is not a name in runtimes; there are: ${
      names.join(", ") || "none"
    }`;
    problems.push({ origin: originOf("defaultRuntime"), key: "defaultRuntime", message });
  }
  const systemd = config.cgroupDriver === "systemd";
  for (const key of CGROUP_KEYS) {
    if (SLICE.test(config[key]) === systemd) continue;
    const message = systemd
      ? `is ${config[key]}; with cgroupDriver: systemd it has to be the name of a slice (NAME.slice)`
      : `is the slice ${config[key]}; with cgroupDriver: cgroupfs it has to be an absolute path`;
    problems.push({ origin: originOf(key), key, message });
  }
  if (isInside(config.monitorCgroup, config.defaultCgroupParent)) {
    const message =
      `is inside defaultCgroupParent (${config.defaultCgroupParent}): a memory bomb in a pod would take the monitors with it`;
    problems.push({ origin: originOf("monitorCgroup"), key: "monitorCgroup", message });
  }
  for (
    const [section, { tlsCertFile, tlsKeyFile }] of [["streaming", config.streaming], [
      "images.serve",
      config.images.serve,
    ]] as const
  ) {
    if ((tlsCertFile === "") === (tlsKeyFile === "")) continue;
    const key = `${section}.${tlsCertFile === "" ? "tlsCertFile" : "tlsKeyFile"}`;
    problems.push({ origin: originOf(key), key, message: "is empty: TLS needs the certificate and its key" });
  }
  return problems;
}

/** A path, or a slice, whose place its name tells: `a-b.slice` is in `a.slice`. */
function isInside(cgroup: string, parent: string): boolean {
  if (!SLICE.test(cgroup)) return `${cgroup}/`.startsWith(`${parent}/`);
  return cgroup === parent || cgroup.startsWith(parent.replace(/\.slice$/, "-"));
}
