import { type Kernel, type Programs, type RunResult, S_IFMT, S_IFREG } from "../sys/mod.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { isObject } from "./conflist.ts";
import { MAX_RESULT_BYTES } from "./result.ts";

export type Verb = "ADD" | "DEL" | "STATUS";

/** One run of one plugin. */
export interface PluginCall {
  verb: Verb;
  /** Plain file name. */
  type: string;
  /** For messages. */
  networkName: string;
  /** For messages: "namespace/name"; undefined for verbs that are not about a pod. */
  pod?: string;
  /** CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS where the verb has them. */
  parameters: Record<string, string>;
  /** Sent as JSON. */
  config: Record<string, unknown>;
  /** Milliseconds. */
  timeout: number;
  signal?: AbortSignal;
}

/** A plugin that failed: which one, doing what, for whom, and what it said. `cniCode` is its error code, if it gave one. */
export class PluginError extends RpcError {
  override name = "PluginError";
  constructor(code: Code, message: string, readonly cniCode?: number, options?: { cause?: unknown }) {
    super(code, message, options);
  }
}

/** Plugins call iptables, ip and the like; they get this and nothing of the daemon's environment. */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const MAX_ERROR_CHARACTERS = 2000;
const EXECUTABLE = 0o111;

/** CNI error codes 11 (try again later) and 50, 51 (the plugin cannot serve ADDs now; specification 1.1.0). */
const TRY_AGAIN = [11, 50, 51];

/** Absolute path of a plugin, from the first folder that has it; undefined where none does. */
export function findPlugin(kernel: Kernel, folders: string[], type: string): string | undefined {
  return folders.map((folder) => `${folder.replace(/\/+$/, "")}/${type}`).find((path) => {
    try {
      const { mode } = kernel.stat(path);
      return (mode & S_IFMT) === S_IFREG && (mode & EXECUTABLE) !== 0;
    } catch {
      return false;
    }
  });
}

/** Runs plugins by the execution protocol of the CNI specification 1.1.0, section 2. */
export class PluginRunner {
  #kernel: Kernel;
  #programs: Programs;
  #folders: string[];

  constructor(kernel: Kernel, programs: Programs, folders: string[]) {
    this.#kernel = kernel;
    this.#programs = programs;
    this.#folders = folders;
  }

  /** Types that are in no plugin folder. */
  missing(types: string[]): string[] {
    return types.filter((type) => findPlugin(this.#kernel, this.#folders, type) === undefined);
  }

  /** The plugin's result for ADD, undefined for the other verbs. Throws a {@link PluginError}. */
  async run(call: PluginCall): Promise<Record<string, unknown> | undefined> {
    const path = findPlugin(this.#kernel, this.#folders, call.type);
    if (path === undefined) {
      throw failure(
        call,
        Code.UNAVAILABLE,
        `there is no such program in ${this.#folders.join(", ")}: install it there`,
      );
    }
    const outcome = await this.#execute(path, call);
    if (outcome.timedOut) {
      throw failure(
        call,
        Code.DEADLINE_EXCEEDED,
        `it did not end within ${Math.round(call.timeout) / 1000} s${tail(outcome)}`,
      );
    }
    if (outcome.code !== 0 || outcome.signal !== 0) throw said(call, outcome);
    return call.verb === "ADD" ? resultOf(call, outcome) : undefined;
  }

  async #execute(path: string, call: PluginCall): Promise<RunResult> {
    if (call.signal?.aborted) throw failure(call, Code.CANCELLED, "it was cancelled before it began");
    if (call.timeout <= 0) throw failure(call, Code.DEADLINE_EXCEEDED, "the plugins before it used up the time");
    try {
      return await this.#programs.run(path, [], {
        env: { ...call.parameters, CNI_COMMAND: call.verb, CNI_PATH: this.#folders.join(":"), PATH },
        input: JSON.stringify(call.config),
        outputLimit: MAX_RESULT_BYTES,
        timeout: call.timeout,
        signal: call.signal,
      });
    } catch (error) {
      if (call.signal?.aborted) throw failure(call, Code.CANCELLED, "it was cancelled", error);
      throw failure(call, Code.INTERNAL, "it could not be run", error);
    }
  }
}

function resultOf(call: PluginCall, outcome: RunResult): Record<string, unknown> {
  // `truncated` alone may be about stderr.
  if (outcome.truncated && outcome.stdout.length === MAX_RESULT_BYTES) {
    throw failure(call, Code.INTERNAL, `its result is larger than ${MAX_RESULT_BYTES} bytes`);
  }
  const result = parsed(outcome.stdout);
  if (result === undefined) {
    throw failure(call, Code.INTERNAL, `its result is not a JSON object: ${text(outcome.stdout)}${tail(outcome)}`);
  }
  // A result without a version is in the version that was asked for.
  return result.cniVersion ? result : { ...result, cniVersion: call.config.cniVersion };
}

/** The error of a plugin that ended with a failure: its error object, or else the end of what it wrote. */
function said(call: PluginCall, outcome: RunResult): PluginError {
  const ending = outcome.signal === 0 ? `code ${outcome.code}` : `signal ${outcome.signal}`;
  const reported = parsed(outcome.stdout);
  if (typeof reported?.msg !== "string" && typeof reported?.code !== "number") {
    const output = text(outcome.stdout);
    return failure(call, Code.INTERNAL, `it ended with ${ending}${output && `: ${output}`}${tail(outcome)}`);
  }
  const cniCode = typeof reported.code === "number" ? reported.code : undefined;
  const words = [reported.msg, reported.details].filter((part) => typeof part === "string" && part !== "").join("; ");
  const code = cniCode !== undefined && TRY_AGAIN.includes(cniCode) ? Code.UNAVAILABLE : Code.INTERNAL;
  const reason = `${printable(words) || `it ended with ${ending}`} (CNI code ${cniCode ?? "none"})`;
  return failure(call, code, reason, undefined, cniCode);
}

function failure(call: PluginCall, code: Code, reason: string, cause?: unknown, cniCode?: number): PluginError {
  const pod = call.pod === undefined ? "" : ` of pod ${call.pod}`;
  const message = `CNI plugin "${call.type}" failed at ${call.verb}${pod} on network "${call.networkName}": ${reason}`;
  return new PluginError(code, message, cniCode, cause === undefined ? undefined : { cause });
}

function tail(outcome: RunResult): string {
  const words = text(outcome.stderr);
  return words === "" ? "" : `; stderr: ${words}`;
}

/** What a program wrote, on one line and cut to a size for a message. */
function text(bytes: Uint8Array): string {
  return printable(new TextDecoder().decode(bytes));
}

function printable(words: string): string {
  // deno-lint-ignore no-control-regex
  const line = words.trim().replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
  if (line.length <= MAX_ERROR_CHARACTERS) return line;
  // A Go panic says why in its first line; a shell script in its last.
  const half = MAX_ERROR_CHARACTERS / 2;
  return `${line.slice(0, half)} … ${line.slice(-half)}`;
}

function parsed(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
