import type { Daemon } from "../support/daemon.ts";

/** What was measured, by row and by runtime, and how it is shown. */
export type Side = "skiff" | "containerd";

/** CRI-O is measured at its pulls alone, which have figures of their own. */
export function sideOf({ kind }: Pick<Daemon, "kind">): Side {
  if (kind === "cri-o") throw new Error("there are no such figures of CRI-O");
  return kind;
}

export interface Row {
  name: string;
  unit: "ms" | "MB";
  samples: Record<Side, number[]>;
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export class Figures {
  #rows = new Map<string, Row>();

  add(name: string, side: Side, value: number, unit: Row["unit"] = "ms"): void {
    const row = this.#rows.get(name) ?? { name, unit, samples: { skiff: [], containerd: [] } };
    row.samples[side].push(value);
    this.#rows.set(name, row);
  }

  /** The newest sample of a row. */
  last(name: string, side: Side): number {
    return this.#rows.get(name)?.samples[side].at(-1) ?? NaN;
  }

  async time<T>(name: string, side: Side, work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await work();
    this.add(name, side, performance.now() - began);
    return result;
  }

  summary(): { name: string; unit: string; skiff: number; containerd: number; ratio: number; samples: number }[] {
    return [...this.#rows.values()].map(({ name, unit, samples }) => {
      const [skiff, containerd] = [median(samples.skiff), median(samples.containerd)];
      return {
        name,
        unit,
        skiff,
        containerd,
        ratio: skiff / containerd,
        samples: Math.min(samples.skiff.length, samples.containerd.length),
      };
    });
  }

  table(): string {
    const cells = this.summary().map((row) => [
      row.name,
      `${row.skiff.toFixed(row.skiff < 10 ? 2 : 1)} ${row.unit}`,
      `${row.containerd.toFixed(row.containerd < 10 ? 2 : 1)} ${row.unit}`,
      row.ratio.toFixed(2),
      String(row.samples),
    ]);
    const head = ["p50 of", "skiff", "containerd", "ratio", "samples"];
    const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column].length)));
    const line = (row: string[]) =>
      row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])).join("  ");
    return [line(head), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join("\n");
  }
}
