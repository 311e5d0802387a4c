/** What a child tells the daemon: one line of JSON, written to its end. */
export function sayLine(output: { writeSync(bytes: Uint8Array): number }, event: unknown): void {
  const bytes = new TextEncoder().encode(JSON.stringify(event) + "\n");
  for (let done = 0; done < bytes.length;) done += output.writeSync(bytes.subarray(done));
}
