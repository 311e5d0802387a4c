import { run, tryRun } from "../support/command.ts";
import { tools } from "../support/tools.ts";

const here = new URL(".", import.meta.url).pathname;

export interface ExecAnswer {
  Stdout: string;
  StdoutBytes: number;
  StdoutSha256: string;
  StdinSha256: string;
  Stderr: string;
  Code: number;
  Error: string;
  Milliseconds: number;
}

export interface ManyAnswer {
  Codes: Record<string, number>;
  Errors: Record<string, number>;
  Outputs: Record<string, number>;
  Milliseconds: number;
}

export interface ForwardAnswer {
  Equal: number;
  Different: string[];
  Errors: string;
  Milliseconds: number;
}

export interface Figures {
  /** MiB. */
  rss: number;
  threads: number;
  descriptors: number;
  connections: number;
  files: number;
}

let built: Promise<string> | undefined;

/** The path of the Go client; Go's own cache makes a second build quick. */
export function goClient(): Promise<string> {
  return built ??= (async () => {
    const path = `${tools.home}/bin/streaming-client`;
    await run("go", ["build", "-trimpath", "-o", path, "."], {
      cwd: `${here}client`,
      env: { CGO_ENABLED: "0" },
      timeout: 600_000,
    });
    return path;
  })();
}

/** The streaming server in a process of its own, and the Go client to go with it. */
export class Rig implements AsyncDisposable {
  private constructor(
    private readonly server: Deno.ChildProcess,
    readonly client: string,
    private readonly control: string,
  ) {}

  static async start(runtime: "runc" | "crun"): Promise<Rig> {
    const client = await goClient();
    const server = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", `${here}server.ts`, runtime, client],
      cwd: tools.checkout,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = server.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    if (value === undefined) throw new Error("the streaming server did not start");
    return new Rig(server, client, JSON.parse(new TextDecoder().decode(value)).control);
  }

  controlUrl(path: string, query: Record<string, string> = {}): string {
    return `${this.control}${path}?${new URLSearchParams(query)}`;
  }

  async ask(path: string, query: Record<string, string> = {}): Promise<string> {
    const response = await fetch(this.controlUrl(path, query));
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${text}`);
    return text;
  }

  async figures(): Promise<Figures> {
    return JSON.parse(await this.ask("/figures"));
  }

  async processes(): Promise<string[]> {
    return JSON.parse(await this.ask("/processes"));
  }

  /** Runs the Go client to its end; its answer. */
  async go<T>(...args: string[]): Promise<T> {
    const { code, stdout, stderr } = await tryRun(this.client, args, { timeout: 300_000 });
    if (code !== 0) throw new Error(`client ${args.join(" ")}: ${stderr}`);
    return JSON.parse(stdout);
  }

  execUrl(command: string[], streams: { stdin?: boolean; stdout?: boolean; stderr?: boolean; tty?: boolean } = {}) {
    const tty = streams.tty ?? false;
    return this.ask("/exec", { cmd: JSON.stringify(command), ...flags({ stdout: true, stderr: !tty, ...streams }) });
  }

  /** One exec session by the Go client; `options` are the client's. */
  async exec(protocol: string, command: string[], ...options: string[]): Promise<ExecAnswer> {
    const stdin = options.some((option) => option === "-hold" || option.startsWith("-stdin"));
    const tty = options.includes("-tty");
    const stdout = !options.includes("-no-stdout");
    const stderr = !options.includes("-no-stderr") && !tty;
    const url = await this.execUrl(command, { stdin, tty, stdout, stderr });
    return await this.go("exec", "-protocol", protocol, ...options, url);
  }

  /** One attach session. */
  async attach(protocol: string, container: string, ...options: string[]): Promise<ExecAnswer> {
    const stdin = options.some((option) => option === "-hold" || option.startsWith("-stdin"));
    const tty = options.includes("-tty");
    const url = await this.ask("/attach", { container, ...flags({ stdin, stdout: true, stderr: !tty, tty }) });
    return await this.go("exec", "-protocol", protocol, ...options, url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stdin.close();
    await this.server.status;
    await this.server.stdout.cancel();
  }
}

function flags(values: Record<string, boolean>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value ? "1" : "0"]));
}
