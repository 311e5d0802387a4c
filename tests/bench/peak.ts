/** The largest that a daemon and the processes it starts became, by the kernel's own high-water marks. */
const interval = 20;

export class PeakWatch implements AsyncDisposable {
  #daemon: number;
  #command: string;
  #peaks = new Map<number, { what: string; megabytes: number }>();
  #running = true;
  #loop: Promise<void>;

  constructor(daemon: number) {
    this.#daemon = daemon;
    this.#command = read(`/proc/${daemon}/cmdline`)!;
    // The mark starts anew from what is held now.
    Deno.writeTextFileSync(`/proc/${daemon}/clear_refs`, "5");
    this.#loop = this.#watch();
  }

  /** MB by process: `daemon`, and the hidden word or the program of each child. */
  peaks(): Record<string, number> {
    this.#look();
    const highest: Record<string, number> = {};
    for (const { what, megabytes } of this.#peaks.values()) {
      highest[what] = Math.max(highest[what] ?? 0, Number(megabytes.toFixed(1)));
    }
    return highest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false;
    await this.#loop;
  }

  async #watch(): Promise<void> {
    while (this.#running) {
      this.#look();
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  }

  #look(): void {
    const pids = [this.#daemon];
    for (const pid of pids) {
      for (const task of list(`/proc/${pid}/task`)) {
        pids.push(...(read(`/proc/${pid}/task/${task}/children`) ?? "").split(" ").filter(Boolean).map(Number));
      }
      this.#note(pid);
    }
  }

  #note(pid: number): void {
    const command = read(`/proc/${pid}/cmdline`);
    // Between vfork and exec a child shows its parent's memory.
    if (!command || (pid !== this.#daemon && command === this.#command)) return;
    const mark = /VmHWM:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`) ?? "")?.[1];
    if (mark === undefined) return;
    const [program, word = ""] = command.split("\0");
    const what = pid === this.#daemon ? "daemon" : word.startsWith("__") ? word : program.split("/").at(-1)!;
    this.#peaks.set(pid, { what, megabytes: Number(mark) / 1024 });
  }
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // It has ended.
    return undefined;
  }
}

function list(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].map(({ name }) => name);
  } catch {
    return [];
  }
}
