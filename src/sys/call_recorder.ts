import { failure } from "./errno.ts";
import type { Kernel } from "./kernel.ts";

/** A call that was made: `leave` marks the end of an `inNewNamespaces`, `inNamespaces` or `inUserNamespace`. */
export interface RecordedCall {
  name: keyof Kernel | "leave";
  args: unknown[];
}

interface ScriptedFailure {
  code: number;
  times: number;
  matches: (...args: any[]) => boolean;
}

/** Writes calls down in order and fails those that a test scripted to fail. */
export class CallRecorder {
  readonly calls: RecordedCall[] = [];
  readonly #failures = new Map<keyof Kernel, ScriptedFailure[]>();

  /** Makes the next `times` calls of `name` whose arguments match fail with `code`. A failed call is recorded, too. */
  failOn(
    name: keyof Kernel,
    code: number,
    { times = Infinity, matches = () => true }: { times?: number; matches?: (...args: any[]) => boolean } = {},
  ): void {
    const scripted = this.#failures.get(name) ?? [];
    scripted.push({ code, times, matches });
    this.#failures.set(name, scripted);
  }

  /** The calls with these names as one line each: `mount overlay /merged overlay 0`. Of all when none are given. */
  lines(...names: RecordedCall["name"][]): string[] {
    return this.calls.filter(({ name }) => names.length === 0 || names.includes(name)).map(({ name, args }) =>
      [name, ...args.map(shown)].join(" ")
    );
  }

  protected record(name: keyof Kernel, ...args: unknown[]): void {
    this.calls.push({ name, args });
    for (const scripted of this.#failures.get(name) ?? []) {
      if (scripted.times <= 0 || !scripted.matches(...args)) continue;
      scripted.times--;
      throw failure(scripted.code, name, args.map(shown).join(" "));
    }
  }
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
