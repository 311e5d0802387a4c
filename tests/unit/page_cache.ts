/** How many bytes of a file are in the page cache. */
export async function cachedBytes(path: string): Promise<number> {
  const args = ["--bytes", "--noheadings", "--output", "RES", path];
  const { stdout } = await new Deno.Command("fincore", { args }).output();
  return Number(new TextDecoder().decode(stdout));
}
