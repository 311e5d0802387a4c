import { invalid, quote } from "../refusal.ts";
import type { Section } from "./section.ts";
import { breaksAccountLine, byteLength, hasControlCharacter } from "./text.ts";

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The kernel's MAX_ARG_STRLEN: longest single argument or variable that execve takes, its NUL included. */
export const ARGUMENT_BYTES_MAX = 131072;

/** More would not fit into what execve takes in all. */
const VARIABLES_MAX = 100_000;

/**
 * Environment of the container: the node's defaults, over them the image's, over them the request's. HOSTNAME, PATH, HOME
 * and, with a terminal, TERM are added where nobody has set them.
 */
export function environment(section: Section, home: string): string[] {
  const { input, config, notes } = section;
  const { envs } = input.config;
  if (envs.length + input.image.env.length > VARIABLES_MAX) {
    throw invalid("envs", `${envs.length + input.image.env.length} variables; at most ${VARIABLES_MAX} are taken`);
  }
  const variables = new Map<string, string>([["PATH", DEFAULT_PATH], ["HOSTNAME", input.sandbox.hostname]]);
  if (input.config.tty) variables.set("TERM", "xterm");
  variables.set("HOME", home);
  for (const entry of config.defaultEnv) addEntry(variables, entry);
  for (const entry of input.image.env) {
    if (!addEntry(variables, entry)) {
      notes.push(`ENV ${quote(entry)} of the image is passed over: it is not name=value`);
    }
  }
  for (const { key, value } of envs) variables.set(key, decode(key, value));

  if (breaksAccountLine(variables.get("HOME")!)) {
    throw invalid("variable HOME", "it holds a control character or a colon");
  }
  return [...variables].map(([key, value]) => checked(key, value));
}

function addEntry(variables: Map<string, string>, entry: string): boolean {
  const split = entry.indexOf("=");
  if (split <= 0) return false;
  variables.set(entry.slice(0, split), entry.slice(split + 1));
  return true;
}

/** config.json is JSON, which has no notation for a byte that is not UTF-8: such a value would reach the program changed. */
function decode(key: string, value: Uint8Array): string {
  try {
    return strictDecoder.decode(value);
  } catch (cause) {
    throw invalid(
      `variable ${quote(key)}`,
      "its value is not valid UTF-8, which an OCI configuration cannot carry unchanged; mount it as a file instead",
      cause,
    );
  }
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function checked(key: string, value: string): string {
  if (key === "" || key.includes("=") || hasControlCharacter(key)) {
    throw invalid("envs", `${quote(key)} is not a variable name: it is empty or holds "=" or a control character`);
  }
  if (value.includes("\0")) throw invalid(`variable ${quote(key)}`, "its value holds a NUL byte");
  const entry = `${key}=${value}`;
  if (byteLength(entry) >= ARGUMENT_BYTES_MAX) {
    throw invalid(
      `variable ${quote(key)}`,
      `it has ${byteLength(entry)} bytes; the kernel takes ${ARGUMENT_BYTES_MAX - 1}`,
    );
  }
  return entry;
}
