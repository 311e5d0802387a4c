import { Code, messageOf, RpcError } from "../rpc/status.ts";
import {
  type AsyncFd,
  asyncFd,
  canRun,
  type Child,
  enlargePipe,
  type Kernel,
  type Programs,
  selfCommand,
  SIGKILL,
} from "../sys/mod.ts";
import type { FetchCommand, FetchEvent, FetchSource, ParseEvent, ParseTask } from "./child_events.ts";
import { CHILD_NICE, linesOf, Pipes, SET_ASIDE_AFTER } from "./child_start.ts";
import { readParseEvent } from "./parse_events.ts";
import { childEnvironment, type ChildEnvironmentOptions } from "./child_environment.ts";

/** Bytes between the two, so that they take turns less often. */
const PIPE_LENGTH = 1 << 20;

export interface ChildPairOptions {
  kernel: Kernel;
  programs: Programs;
  task: ParseTask;
  /** Whether the fetcher is to reach registries. */
  network: boolean;
  proxy?: ChildEnvironmentOptions["proxy"];
  /** See {@link ImageServiceOptions}; the pull goes on if it fails. */
  setAside?: (pid: number) => Promise<void>;
}

/** Milliseconds without a sign of life after which a pull is given up; only its own bugs or a dead disk get here. */
const MAX_SILENCE = 10 * 60_000;
/** Reports that nobody has asked for yet. A sound parser has one for each of its layers at most. */
const MAX_EVENTS = 64;
/** Of what a child said besides its events, so much is kept for the error message. */
const MAX_NOISE = 2_000;
const MAX_FETCH_LINE = 1 << 20;
/** Lists of implied directories, on top of an escaped config. */
const EXTRA_PARSE_LINE = 16 << 20;

/**
 * The two children of a pull. What the fetcher gets goes to the parser through a pipe of theirs: no byte of it passes
 * through this process. Disposing kills both and waits for their end.
 */
export class ChildPair implements AsyncDisposable {
  #kernel: Kernel;
  #fetch: Child;
  #parse: Child;
  #commands: AsyncFd;
  #sent = Promise.resolve();
  #events: ParseEvent[] = [];
  #wake = () => {};
  #lastSign = performance.now();
  #parseEnded = false;
  #fetchEnded = false;
  #isOver = false;
  #endedEarly = false;
  #heard = false;
  #parseError: { message: string; stream?: number } | undefined;
  #fetchError: RpcError | undefined;
  #noise = "";
  #loops: Promise<unknown>;
  #moveAside: () => void;
  #movesAside: number | undefined;
  #onBytes = (_bytes: number) => {};

  constructor({ kernel, programs, task, network, proxy, setAside }: ChildPairOptions) {
    this.#kernel = kernel;
    using pipes = new Pipes(kernel);
    const [commands, data, fetchEvents, parseEvents] = [pipes.open(), pipes.open(), pipes.open(), pipes.open()];
    enlargePipe(data.write, PIPE_LENGTH);
    const [program, ...fetchArguments] = selfCommand("__fetch");
    this.#fetch = programs.spawn(program, fetchArguments, {
      env: childEnvironment(kernel, { network, proxy }),
      fds: { 0: commands.read, 1: data.write, 2: fetchEvents.write },
    });
    try {
      this.#parse = programs.spawn(program, [...selfCommand("__parse").slice(1), JSON.stringify(task)], {
        env: childEnvironment(kernel, { network: false }),
        fds: { 0: data.read, 1: parseEvents.write, 2: parseEvents.write },
      });
    } catch (error) {
      this.#fetch.kill(SIGKILL);
      throw error;
    }
    // A pull has time; pods that start meanwhile, and calls, have not.
    for (const { pid } of [this.#fetch, this.#parse]) kernel.makePatient(pid, CHILD_NICE);
    this.#moveAside = () => {
      for (const { pid } of [this.#fetch, this.#parse]) setAside?.(pid).catch(() => {});
    };
    this.#commands = asyncFd(pipes.keep(commands.write));
    const parseLines = asyncFd(pipes.keep(parseEvents.read));
    const fetchLines = asyncFd(pipes.keep(fetchEvents.read));
    this.#loops = Promise.all([
      this.#read(parseLines, 2 * task.limits.documentBytes + EXTRA_PARSE_LINE, (line) => this.#parseLine(line))
        .finally(() => {
          this.#parseEnded = true;
          this.#endedEarly = !this.#isOver;
          this.#wake();
        }),
      this.#read(fetchLines, MAX_FETCH_LINE, (line) => this.#fetchLine(line)).finally(() => this.#fetchEnded = true),
    ]);
  }

  /** False once one of them has ended or was stopped (SIGSTOP), also before that was told. */
  get canWork(): boolean {
    return !this.#parseEnded && !this.#fetchEnded &&
      [this.#fetch, this.#parse].every(({ pid }) => canRun(pid, this.#kernel));
  }

  /** True where they ended before they were told to, and neither has said a word. Known once `next` has thrown. */
  get endedUnheard(): boolean {
    return this.#endedEarly && !this.#heard;
  }

  /**
   * Tells the fetcher where to get its bytes; before anything else, and once.
   *
   * @param onBytes told how many bytes of layers went from one child to the other so far.
   */
  begin(source: FetchSource, onBytes: (bytes: number) => void): void {
    this.#onBytes = onBytes;
    this.#lastSign = performance.now();
    this.#movesAside = setTimeout(this.#moveAside, SET_ASIDE_AFTER);
    this.#send(source);
  }

  send(command: FetchCommand): void {
    this.#send(command);
  }

  /** The parser's next report. @throws {RpcError} what made either child give up. */
  async next(signal: AbortSignal): Promise<ParseEvent> {
    const onAbort = () => this.#wake();
    signal.addEventListener("abort", onAbort);
    const watch = setInterval(onAbort, MAX_SILENCE / 10);
    try {
      for (;;) {
        signal.throwIfAborted();
        if (performance.now() - this.#lastSign > MAX_SILENCE) {
          throw new RpcError(Code.DEADLINE_EXCEEDED, `the pull made no progress for ${MAX_SILENCE / 60_000} minutes`);
        }
        const event = this.#events.shift();
        if (event) return event;
        if (this.#parseEnded) throw await this.#failure();
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      clearInterval(watch);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Lets both end, and is sure afterwards that the parser can write no more. */
  async finish(): Promise<void> {
    this.#over();
    const [{ code }] = await Promise.all([this.#parse.status, this.#fetch.status, this.#loops]);
    if (code !== 0 || this.#parseError || this.#fetchError) throw await this.#failure();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over();
    this.#fetch.kill(SIGKILL);
    this.#parse.kill(SIGKILL);
    await Promise.allSettled([this.#fetch.status, this.#parse.status, this.#loops]);
  }

  #over(): void {
    this.#isOver = true;
    clearTimeout(this.#movesAside);
    this.#commands.close();
  }

  /** In order: a source with many certificates is longer than a pipe takes at once. */
  #send(line: FetchSource | FetchCommand): void {
    const bytes = new TextEncoder().encode(JSON.stringify(line) + "\n");
    // A child that is gone makes its own failure known.
    this.#sent = this.#sent.then(() => this.#commands.write(bytes)).catch(() => {});
  }

  async #read(fd: AsyncFd, limit: number, take: (line: string) => void): Promise<void> {
    try {
      for await (const lines of linesOf(fd, limit)) {
        this.#lastSign = performance.now();
        this.#heard = true;
        lines.forEach(take);
      }
    } catch (error) {
      this.#parseError ??= { message: messageOf(error) };
      this.#fetch.kill(SIGKILL);
      this.#parse.kill(SIGKILL);
    } finally {
      fd.close();
    }
  }

  #parseLine(line: string): void {
    if (!line.startsWith("{")) return this.#addNoise(line);
    const event = readParseEvent(line);
    if (event.event === "error") {
      this.#parseError = event;
      this.#fetch.kill(SIGKILL);
      return;
    }
    if (this.#events.push(event) > MAX_EVENTS) throw new Error("the parser reports more than it was asked for");
    this.#wake();
  }

  #fetchLine(line: string): void {
    if (!line.startsWith("{")) return this.#addNoise(line);
    const event = JSON.parse(line) as FetchEvent;
    if (event.event === "progress") this.#onBytes(event.bytes);
    else this.#fetchError = new RpcError(event.code, event.message);
  }

  #addNoise(line: string): void {
    this.#noise = `${this.#noise}\n${line}`.slice(-MAX_NOISE);
  }

  async #failure(): Promise<Error> {
    this.#fetch.kill(SIGKILL);
    await this.#loops;
    const { code, signal } = await this.#parse.status;
    if (this.#parseError) return new ParseFailure(this.#parseError.message, this.#parseError.stream);
    if (this.#fetchError) return this.#fetchError;
    const how = signal === 0 ? `with exit code ${code}` : `by signal ${signal}`;
    return new RpcError(
      Code.INTERNAL,
      `a process of the pull ended ${how} without saying why${this.#noise === "" ? "" : `: ${this.#noise.trim()}`}`,
    );
  }
}

/** The image itself is at fault. */
export class ParseFailure extends RpcError {
  /** @param stream the layer, where it is one's. */
  constructor(message: string, readonly stream?: number) {
    super(Code.FAILED_PRECONDITION, message);
  }
}
