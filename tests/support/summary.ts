/** Lines that a suite wants to be seen at the end of the whole test run, whatever its tests printed. */

/** Names the file that tests/run.ts reads them from; without it, lines go to the terminal. */
export const summaryVariable = "SKIFF_TEST_SUMMARY";

export function summarize(line: string): void {
  const file = Deno.env.get(summaryVariable);
  if (file) Deno.writeTextFileSync(file, `${line}\n`, { append: true });
  else console.log(line);
}
