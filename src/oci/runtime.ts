import type { LinuxContainerResources } from "../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { Kernel } from "../sys/kernel.ts";
import type { Programs, RunResult } from "../sys/mod.ts";
import { Attend } from "./attend.ts";
import {
  type ExecOnTerminal,
  type ExecProcess,
  type ExecStdio,
  startExec,
  startExecOnTerminal,
} from "./exec_stream.ts";
import { ExecSync } from "./exec_sync.ts";
import { RUNTIME_ENV } from "./runtime_env.ts";
import { featuresOfVersion, NO_FEATURES, parseFeatures } from "./runtime_features.ts";
import { lastWords } from "./runtime_words.ts";
import type { Spec } from "./spec.ts";
import type { TerminalSize } from "./terminal.ts";
import { translateResources } from "./spec/resources.ts";
import type { ExecResult, NodeLimits, OciRuntime, RuntimeFeatures, RuntimeHandler } from "./types.ts";

/** Milliseconds after which a verb of the runtime is given up: none of them waits for the container. */
const VERB_TIMEOUT = 100_000;

/** Where the runtimes read resources from. /dev/stdin would be a link to it, which udev makes, and not every node has. */
const STANDARD_INPUT = "/proc/self/fd/0";

/** A container or process that has ended in the meantime, in the words of runc and crun. */
const GONE =
  /does not exist|no such process|not running|already finished|process not initialized|No such file or directory/i;

const NOT_THERE =
  /does not exist|cannot open .*: No such file or directory|error opening file .*: No such file or directory/i;

export interface CommandLineRuntimeOptions {
  kernel: Kernel;
  programs: Programs;
  /** Folder for files that live as long as one exec; default /run/skiff. */
  stateFolder?: string;
}

/** runc and crun by the command line that both share. */
export class CommandLineRuntime implements OciRuntime {
  readonly #kernel: Kernel;
  readonly #programs: Programs;
  readonly #execFolder: string;
  readonly #attend: Attend;
  readonly #versions = new Map<string, Promise<string>>();
  readonly #features = new Map<string, Promise<RuntimeFeatures>>();
  #hasExecFolder = false;

  constructor({ kernel, programs, stateFolder = "/run/skiff" }: CommandLineRuntimeOptions) {
    this.#kernel = kernel;
    this.#programs = programs;
    this.#execFolder = `${stateFolder}/exec`;
    this.#attend = new Attend(kernel, programs, `${stateFolder}/attend`);
  }

  async start(handler: RuntimeHandler, id: string): Promise<void> {
    await this.#verb(handler, id, ["start", id]);
  }

  async kill(handler: RuntimeHandler, id: string, signal: number, all = false): Promise<void> {
    const result = await this.#run(handler, ["kill", ...(all ? ["--all"] : []), id, String(signal)]);
    if (result.code === 0 || GONE.test(wordsOf(result))) return;
    throw failure(handler, "kill", id, result);
  }

  async delete(handler: RuntimeHandler, id: string): Promise<void> {
    const result = await this.#run(handler, ["delete", "--force", id]);
    if (result.code === 0 || NOT_THERE.test(wordsOf(result))) return;
    throw failure(handler, "delete", id, result);
  }

  async state(handler: RuntimeHandler, id: string): Promise<{ status: string; pid: number } | undefined> {
    const result = await this.#run(handler, ["state", id]);
    if (result.code !== 0) {
      if (NOT_THERE.test(wordsOf(result))) return undefined;
      throw failure(handler, "state", id, result);
    }
    const { status, pid } = JSON.parse(decoder.decode(result.stdout));
    return { status, pid };
  }

  async update(
    handler: RuntimeHandler,
    id: string,
    resources: LinuxContainerResources,
    node: NodeLimits,
  ): Promise<void> {
    const translated = translateResources(resources, node, handler, []);
    if (Object.keys(translated).length === 0) return;
    await this.#verb(handler, id, ["update", "--resources", STANDARD_INPUT, id], JSON.stringify(translated));
  }

  async execSync(
    handler: RuntimeHandler,
    id: string,
    process: Spec["process"],
    timeout: number,
    limit: number,
    owner?: { uid: number; gid: number },
  ): Promise<ExecResult> {
    if (!this.#hasExecFolder) {
      this.#kernel.mkdirs(this.#execFolder, 0o700);
      this.#hasExecFolder = true;
    }
    const attend = await this.#attend.path();
    const exec = new ExecSync(this.#kernel, this.#programs, this.#execFolder, handler, id, attend);
    return await exec.run(process, timeout, limit, owner);
  }

  exec(handler: RuntimeHandler, id: string, command: Spec["process"], stdio: ExecStdio): Promise<ExecProcess> {
    return startExec(this.#execMeans, handler, id, command, stdio);
  }

  execOnTerminal(
    handler: RuntimeHandler,
    id: string,
    command: Spec["process"],
    size?: TerminalSize,
  ): Promise<ExecOnTerminal> {
    return startExecOnTerminal(this.#execMeans, handler, id, command, size);
  }

  get #execMeans() {
    return { kernel: this.#kernel, programs: this.#programs, folder: this.#execFolder };
  }

  version(path: string): Promise<string> {
    let version = this.#versions.get(path);
    if (!version) {
      version = this.#askVersion(path);
      this.#versions.set(path, version);
      version.catch(() => this.#versions.delete(path));
    }
    return version;
  }

  features(path: string): Promise<RuntimeFeatures> {
    let features = this.#features.get(path);
    if (!features) {
      features = this.#askFeatures(path).catch(() => {
        // It may be installed later; whatever needs it now says why it does not run.
        this.#features.delete(path);
        return NO_FEATURES;
      });
      this.#features.set(path, features);
    }
    return features;
  }

  async #askFeatures(path: string): Promise<RuntimeFeatures> {
    const { code, stdout } = await this.#programs.run(path, ["features"], { env: RUNTIME_ENV, timeout: VERB_TIMEOUT });
    const said = code === 0 ? parseFeatures(decoder.decode(stdout)) : undefined;
    return said ?? featuresOfVersion(await this.version(path));
  }

  async #askVersion(path: string): Promise<string> {
    const { code, stdout, stderr } = await this.#programs.run(path, ["--version"], {
      env: RUNTIME_ENV,
      timeout: VERB_TIMEOUT,
    });
    if (code !== 0) {
      throw new RpcError(Code.INTERNAL, `${path} --version: exit code ${code}: ${lastWords(decoder.decode(stderr))}`);
    }
    return decoder.decode(stdout).split("\n")[0].trim();
  }

  async #verb(handler: RuntimeHandler, id: string, args: string[], input?: string): Promise<void> {
    const result = await this.#run(handler, args, input);
    if (result.code !== 0) throw failure(handler, args[0], id, result);
  }

  #run(handler: RuntimeHandler, args: string[], input?: string): Promise<RunResult> {
    const all = ["--root", handler.root, "--log-format", "json", ...args];
    return this.#programs.run(handler.path, all, { env: RUNTIME_ENV, timeout: VERB_TIMEOUT, input });
  }
}

const decoder = new TextDecoder();

function wordsOf(result: RunResult): string {
  return lastWords(decoder.decode(result.stderr));
}

function failure(handler: RuntimeHandler, verb: string, id: string, result: RunResult): RpcError {
  const what = `${handler.name} ${verb} of container ${id}`;
  if (result.timedOut) {
    return new RpcError(Code.DEADLINE_EXCEEDED, `${what}: no answer within ${VERB_TIMEOUT / 1000} s; it was killed`);
  }
  const ended = result.signal !== 0 ? `killed by signal ${result.signal}` : `exit code ${result.code}`;
  const words = wordsOf(result);
  return new RpcError(
    GONE.test(words) ? Code.FAILED_PRECONDITION : Code.INTERNAL,
    `${what}: ${words === "" ? ended : words}`,
  );
}
