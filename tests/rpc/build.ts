/**
 * The tools of these suites. They come from the Go module proxy, pinned, and are kept under `$SKIFF_TOOLS` (or
 * `~/.cache/skiff`) between runs.
 */
const H2SPEC = "github.com/summerwind/h2spec";
const H2SPEC_VERSION = "v2.2.1+incompatible";

const goClientSource = new URL("./goclient", import.meta.url).pathname;

function toolsFolder(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const folder = Deno.env.get("SKIFF_TOOLS") ?? `${cache}/skiff`;
  return `${folder}/bin`;
}

async function go(folder: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("go", {
    args,
    cwd: folder,
    env: { CGO_ENABLED: "0" },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`go ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr)}`);
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The path of h2spec, which is built when it is not there. */
export async function h2spec(): Promise<string> {
  const tool = `${toolsFolder()}/h2spec`;
  if (await exists(tool)) return tool;
  const folder = await Deno.makeTempDir({ prefix: "skiff-h2spec-" });
  try {
    await go(folder, "mod", "init", "tools");
    await go(folder, "get", `${H2SPEC}/cmd/h2spec@${H2SPEC_VERSION}`);
    await go(folder, "build", "-trimpath", "-o", tool, `${H2SPEC}/cmd/h2spec`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return tool;
}

/** The path of the Go client; Go's own cache makes a second build quick. */
export async function goClient(): Promise<string> {
  const tool = `${toolsFolder()}/goclient`;
  await go(goClientSource, "build", "-trimpath", "-o", tool, ".");
  return tool;
}
