import { ATTEND_MISUSED, attendProgram, type Kernel, type Programs } from "../sys/mod.ts";

/** The program that waits for commands in the runtime's place, as a file. */
export class Attend {
  #written?: Promise<string | undefined>;

  constructor(
    private readonly kernel: Kernel,
    private readonly programs: Programs,
    private readonly file: string,
  ) {}

  /** Where it is, once it was seen to run; undefined where it cannot: no build for this processor, a folder without exec. */
  path(): Promise<string | undefined> {
    return this.#written ??= this.#write().catch(() => undefined).then((path) => {
      // A child of ours may have had the file open for a moment: the next call tries again.
      if (path === undefined) this.#written = undefined;
      return path;
    });
  }

  async #write(): Promise<string | undefined> {
    const program = attendProgram();
    if (!program) return undefined;
    this.kernel.replaceFile(this.file, program, 0o700);
    const { code } = await this.programs.run(this.file, [], { timeout: 10_000 });
    return code === ATTEND_MISUSED ? this.file : undefined;
  }
}
