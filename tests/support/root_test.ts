/** A test of whole programs: it needs root, and what they leave open between two looks is not its own. */
export function rootTest(name: string, body: () => Promise<void>, ignore = false): void {
  Deno.test({
    name: `${name} (root)`,
    ignore: Deno.uid() !== 0 || ignore,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: body,
  });
}
