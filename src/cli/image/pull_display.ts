import type { PullImageProgressResponse } from "../../../proto/gen/skiff/v1/admin.ts";
import { humanSize } from "../format.ts";
import { oneLine } from "../print.ts";
import type { Terminal } from "../terminal.ts";

const BAR_WIDTH = 28;
/** Without a terminal: a line for every tenth of the bytes. */
const LINES = 10;

/** How far a pull is: one line that is drawn again and again on a terminal, a few lines elsewhere. On standard error. */
export class PullDisplay {
  readonly #terminal: Terminal;
  readonly #image: string;
  readonly #now: () => number;
  #started: number | undefined;
  #lastLine = "";
  #lastStep = -1;

  constructor(terminal: Terminal, image: string, now: () => number = () => performance.now()) {
    this.#terminal = terminal;
    this.#image = oneLine(image);
    this.#now = now;
  }

  show(progress: PullImageProgressResponse): void {
    if (progress.phase === "pulling") this.#started ??= this.#now();
    if (this.#terminal.isTty) this.#draw(this.#barLine(progress));
    else this.#print(progress);
  }

  /** Leaves the last line on the screen and goes to the next. */
  end(): void {
    if (this.#terminal.isTty && this.#lastLine !== "") this.#terminal.err("\n");
  }

  #draw(line: string): void {
    const cut = line.slice(0, Math.max(this.#terminal.columns - 1, 20));
    if (cut === this.#lastLine) return;
    this.#terminal.err(`\r\x1b[2K${cut}`);
    this.#lastLine = cut;
  }

  #print(progress: PullImageProgressResponse): void {
    const step = progress.phase === "pulling"
      ? Math.floor(fraction(progress) * LINES)
      : progress.phase === "done"
      ? LINES + 1
      : -1;
    const line = progress.phase === "pulling"
      ? `${this.#image}: ${this.#amounts(progress)}`
      : `${this.#image}: ${oneLine(progress.phase)}`;
    if (step === this.#lastStep && this.#lastLine !== "") return;
    this.#lastStep = step;
    this.#lastLine = line;
    this.#terminal.err(`${line}\n`);
  }

  #barLine(progress: PullImageProgressResponse): string {
    if (progress.phase !== "pulling") return `${this.#image}: ${oneLine(progress.phase)}`;
    const full = Math.round(fraction(progress) * BAR_WIDTH);
    return `${this.#image} [${"█".repeat(full)}${"░".repeat(BAR_WIDTH - full)}] ${this.#amounts(progress)}`;
  }

  #amounts(progress: PullImageProgressResponse): string {
    const { bytesDone, bytesTotal, layersDone, layersTotal } = progress;
    const seconds = (this.#now() - (this.#started ?? this.#now())) / 1000;
    const rate = seconds > 0.2 ? `, ${humanSize(Math.round(Number(bytesDone) / seconds))}/s` : "";
    if (bytesTotal === 0n) return `${humanSize(bytesDone)}, layers ${layersDone}/${layersTotal}${rate}`;
    const percent = Math.floor(fraction(progress) * 100);
    return `${percent}%, ${humanSize(bytesDone)} of ${
      humanSize(bytesTotal)
    }, layers ${layersDone}/${layersTotal}${rate}`;
  }
}

function fraction({ bytesDone, bytesTotal }: PullImageProgressResponse): number {
  return bytesTotal === 0n ? 0 : Math.min(Number(bytesDone) / Number(bytesTotal), 1);
}
