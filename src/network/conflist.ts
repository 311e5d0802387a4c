/** CNI network configuration: parsing and validation of one file, after the CNI specification 1.1.0, section 1. */

export interface PluginConfig {
  type: string;
  capabilities?: Record<string, boolean>;
  [key: string]: unknown;
}

export interface Conflist {
  cniVersion: string;
  name: string;
  plugins: PluginConfig[];
  /** The list as JSON; what {@link parseConflist} makes of it is this list again. */
  text: string;
}

/** Newest last: a list that offers several versions gets the newest that is here. */
export const CNI_VERSIONS = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/** A file or stored text above this many bytes is refused. */
export const MAX_CONFLIST_BYTES = 1 << 20;
const MAX_PLUGINS = 64;

const NETWORK_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,252}$/;
/** A plain file name: the type is looked up in the plugin folders and must not lead out of them. */
const PLUGIN_TYPE = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}$/;

/** Parses a conflist (`.conflist`, or the text that was stored with a pod). Throws an Error whose message is the reason alone. */
export function parseConflist(text: string): Conflist {
  return conflistOf(parseObject(text));
}

/** Parses a file that may be a list or, as in `.conf` and `.json`, one plugin, which becomes a list of its own. */
export function parseNetworkFile(fileName: string, text: string): Conflist {
  const document = parseObject(text);
  if (fileName.endsWith(".conflist") || document.plugins !== undefined) return conflistOf(document);
  if (document.type === undefined) throw new Error('it has neither "plugins" nor "type"');
  return conflistOf({ cniVersion: document.cniVersion, name: document.name, plugins: [document] });
}

/** True where `version` is `minimum` or newer; both from {@link CNI_VERSIONS}. */
export function versionAtLeast(version: string, minimum: string): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(minimum);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(text: string): Record<string, unknown> {
  if (text.length > MAX_CONFLIST_BYTES) throw new Error(`it is larger than ${MAX_CONFLIST_BYTES} bytes`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(document)) throw new Error("it is not a JSON object");
  return document;
}

function conflistOf(document: Record<string, unknown>): Conflist {
  const { name, plugins } = document;
  if (typeof name !== "string" || !NETWORK_NAME.test(name)) {
    throw new Error(`"name" must be letters, digits, "_", "." and "-", and is ${shown(name)}`);
  }
  const cniVersion = versionOf(document);
  if (!Array.isArray(plugins) || plugins.length === 0) throw new Error('"plugins" must be a list with at least one');
  if (plugins.length > MAX_PLUGINS) throw new Error(`it lists ${plugins.length} plugins, more than ${MAX_PLUGINS}`);
  plugins.forEach(checkPlugin);
  return { cniVersion, name, plugins: plugins as PluginConfig[], text: JSON.stringify(document) };
}

function versionOf(document: Record<string, unknown>): string {
  const { cniVersion, cniVersions } = document;
  const offered: unknown[] = [];
  if (cniVersion !== undefined && cniVersion !== "") offered.push(cniVersion);
  if (Array.isArray(cniVersions)) offered.push(...cniVersions);
  // A file without any is from before versions were written.
  if (offered.length === 0) return "0.1.0";
  const supported = CNI_VERSIONS.findLast((version) => offered.includes(version));
  if (supported === undefined) {
    throw new Error(`"cniVersion" ${shown(offered[0])} is not supported (${CNI_VERSIONS.join(", ")})`);
  }
  return supported;
}

function checkPlugin(plugin: unknown, index: number): void {
  if (!isObject(plugin)) throw new Error(`plugin ${index} is not a JSON object`);
  if (typeof plugin.type !== "string" || !PLUGIN_TYPE.test(plugin.type)) {
    throw new Error(`"type" of plugin ${index} must be a file name without "/", and is ${shown(plugin.type)}`);
  }
  const { capabilities } = plugin;
  if (capabilities === undefined || capabilities === null) return;
  if (!isObject(capabilities) || Object.values(capabilities).some((value) => typeof value !== "boolean")) {
    throw new Error(`"capabilities" of plugin ${plugin.type} must map names to true or false`);
  }
}

/** A value from a hostile file, short and on one line. */
function shown(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value).slice(0, 80);
}
