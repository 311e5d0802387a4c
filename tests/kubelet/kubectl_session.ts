/** A kubectl that runs while the check talks to it: `logs -f`, `attach`, `port-forward`, `exec` with a terminal. */
import { patience, sleep } from "../support/command.ts";
import type { CheckContext } from "./check.ts";
import { programs } from "./options.ts";

export interface SessionOptions {
  env?: Record<string, string>;
  /** Gives kubectl a terminal of this size, by way of script(1). */
  terminal?: { rows: number; columns: number };
}

/** Both ways in which clients speak to exec, attach and port-forward, by the variables that choose them. */
export const transports: { name: string; env: Record<string, string> }[] = [
  { name: "WebSocket", env: both("true") },
  { name: "SPDY", env: both("false") },
];

function both(value: string): Record<string, string> {
  return { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: value, KUBECTL_PORT_FORWARD_WEBSOCKETS: value };
}

export class KubectlSession implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #input: WritableStreamDefaultWriter<Uint8Array>;
  #out = "";
  #error = "";
  #pumps: Promise<void>[];
  #code?: number;

  constructor(context: CheckContext, args: string[], options: SessionOptions = {}) {
    const kubectl = kubectlCommand(context, args);
    this.#child = new Deno.Command("nsenter", {
      args: context.cluster.enter(...(options.terminal ? inTerminal(kubectl, options.terminal) : kubectl)),
      env: options.env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: context.signal,
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#pumps = [
      collect(this.#child.stdout, (text) => this.#out += text),
      collect(this.#child.stderr, (text) => this.#error += text),
    ];
    this.#child.status.then(({ code }) => this.#code = code);
  }

  /** What it has printed so far, on standard output or (in a terminal) on both. */
  get out(): string {
    return this.#out;
  }

  get error(): string {
    return this.#error;
  }

  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  async endInput(): Promise<void> {
    await this.#input.close();
  }

  /** Waits until the standard output (or the standard error) holds the text. */
  async shows(text: string | RegExp, seconds = 20): Promise<void> {
    const found = () =>
      [this.#out, this.#error].some((all) => typeof text === "string" ? all.includes(text) : text.test(all));
    const end = Date.now() + seconds * patience * 1000;
    while (!found()) {
      if (this.#code !== undefined) {
        await Promise.all(this.#pumps);
        if (found()) return;
        throw new Error(`kubectl ended with ${this.#code} and did not show ${text}; ${this.#printed()}`);
      }
      if (Date.now() > end) throw new Error(`kubectl did not show ${text} within ${seconds} s; ${this.#printed()}`);
      await sleep(50);
    }
  }

  /** Waits for its end, and returns its exit code. */
  async ends(seconds = 20): Promise<number> {
    let timer: number | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`kubectl did not end within ${seconds} s; ${this.#printed()}`)),
        seconds * patience * 1000,
      );
    });
    try {
      const { code } = await Promise.race([this.#child.status, late]);
      await Promise.all(this.#pumps);
      return code;
    } finally {
      clearTimeout(timer);
    }
  }

  #printed(): string {
    return `it printed ${JSON.stringify(this.#out.slice(-2000))} and ${JSON.stringify(this.#error.slice(-2000))}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#code === undefined) {
      try {
        this.#child.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
    }
    await this.#input.close().catch(() => {});
    await Promise.race([this.#child.status, sleep(5000)]);
    if (this.#code === undefined) this.#child.kill("SIGKILL");
    await Promise.all(this.#pumps);
  }
}

/** Runs kubectl to its end with bytes as its input, for content that is not text. */
export async function kubectlBytes(
  context: CheckContext,
  args: string[],
  options: { input?: Uint8Array; env?: Record<string, string> } = {},
): Promise<{ code: number; stdout: Uint8Array; stderr: string }> {
  const child = new Deno.Command("nsenter", {
    args: context.cluster.enter(...kubectlCommand(context, args)),
    env: options.env,
    stdin: options.input ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
    signal: context.signal,
  }).spawn();
  const [output] = await Promise.all([
    child.output(),
    // A program that ends before it has read all of it is judged by what it printed.
    options.input && new Blob([options.input as BlobPart]).stream().pipeTo(child.stdin).catch(() => {}),
  ]);
  return { code: output.code, stdout: output.stdout, stderr: new TextDecoder().decode(output.stderr) };
}

function kubectlCommand({ cluster, namespace }: CheckContext, args: string[]): [string, ...string[]] {
  return [`${programs}/kubectl`, `--kubeconfig=${cluster.kubeconfig}`, `--namespace=${namespace}`, ...args];
}

function inTerminal(command: string[], { rows, columns }: { rows: number; columns: number }): [string, ...string[]] {
  const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return [
    "script",
    "--quiet",
    "--return",
    "--flush",
    "--command",
    `stty rows ${rows} cols ${columns}; exec ${line}`,
    "/dev/null",
  ];
}

async function collect(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  // A session that is killed ends its streams in the middle.
  await stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .pipeTo(new WritableStream({ write: take })).catch(() => {});
}
