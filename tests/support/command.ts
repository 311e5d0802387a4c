/** Running programs from a test: output captured, failure loud. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  /** Milliseconds; the program is killed when they have passed. */
  timeout?: number;
}

const text = new TextDecoder();

/** Runs a program to its end and returns what it printed, whatever its exit code. */
export async function tryRun(program: string, args: string[], options: CommandOptions = {}): Promise<Output> {
  const command = new Deno.Command(program, {
    args,
    env: options.env,
    cwd: options.cwd,
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(options.timeout ?? 120_000),
  });
  const child = command.spawn();
  if (options.input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.input));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** Like {@link tryRun}, but a non-zero exit code throws with everything the program said. Returns its standard output. */
export async function run(program: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRun(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} exited with ${code}: ${(stderr + stdout).trim()}`);
  return stdout;
}

/** How many times slower than a usual machine this one may be: an emulated one needs more patience. */
export const patience = Number(Deno.env.get("SKIFF_TEST_PATIENCE") ?? 1);

export const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Asks again and again until the answer is true, or anything but empty; throws with `what` after `timeout` ms, or {@link patience} times as many. */
export async function waitUntil<T>(
  what: string,
  ask: () => Promise<T | false | undefined | null> | T | false | undefined | null,
  timeout = 10_000,
  interval = 50,
): Promise<T> {
  const end = Date.now() + timeout * patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${timeout} ms in vain: ${what}`);
    await sleep(interval);
  }
}
