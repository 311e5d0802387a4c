/** Programs of this machine in an image, each with the shared objects it names, all at their own paths. */
import { run } from "../support/command.ts";
import type { Entry } from "./tar.ts";

export async function hostProgram(path: string): Promise<Entry[]> {
  const named = (await run("ldd", [path])).matchAll(/(?:^|\s)(\/\S+) \(0x/g);
  const files = [path, ...[...named].map((match) => match[1])];
  return [
    ...[...new Set(files.flatMap(parents))].map((path): Entry => ({ path, type: "5" })),
    ...files.map((file): Entry => ({ path: file.slice(1), mode: 0o755, data: Deno.readFileSync(file) })),
  ];
}

/** Of several programs, without what they have in common twice. */
export async function hostPrograms(paths: string[]): Promise<Entry[]> {
  const entries = (await Promise.all(paths.map(hostProgram))).flat();
  return [...new Map(entries.map((entry) => [entry.path, entry])).values()];
}

/** `/lib/x/y` → `lib`, `lib/x`. */
function parents(file: string): string[] {
  const parts = file.slice(1).split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}
