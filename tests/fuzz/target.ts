/** Something that reads what others wrote. */
export interface Target {
  name: string;
  /** Inputs to begin with. */
  corpus: Uint8Array[];
  /** Words that mean something in this format. */
  dictionary: string[];
  /** How many inputs a whole run has. */
  inputs: number;
  /** Makes a changed input plausible again, for instance by its checksums. */
  mend?(input: Uint8Array, even: boolean): void;
  /** Reads one input. What it throws must be {@link Target.isDocumented}. */
  read(input: Uint8Array): unknown;
  /** An error that says what is wrong with the input, and that callers know. */
  isDocumented(error: unknown): boolean;
  close?(): Promise<void>;
}

/** The files of a folder below corpus/. */
export function kept(folder: string): Uint8Array[] {
  const path = new URL(`corpus/${folder}/`, import.meta.url);
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort().map((name) =>
    Deno.readFileSync(new URL(name, path))
  );
}

/** An Error of no class of its own: a TypeError or RangeError is one that nobody thought of. */
export const isPlainError = (error: unknown) => error instanceof Error && error.constructor === Error;
