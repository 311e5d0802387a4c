/**
 * Bundles main.ts for `deno compile` into dist/bundle: minified, one chunk per command and what they share, so that a command loads
 * only its own. Writes dist/bundle/flags beside it: the flags of `deno compile`, one a line. scripts/build runs it.
 */
import { build, type Plugin } from "esbuild";
import { permissionFlags } from "../src/cli/permissions.ts";

const root = new URL("..", import.meta.url).pathname;
const out = `${root}dist/bundle`;
const manifest = JSON.parse(await Deno.readTextFile(`${root}deno.json`)) as {
  version: string;
  imports: Record<string, string>;
};

/** Builds of packages for browsers where those for Node read environment variables, which the binary may not. */
const BROWSER_BUILDS: Record<string, string> = { yaml: `${root}node_modules/yaml/browser/index.js` };

/** The import map of deno.json, for esbuild: `npm:name@version/path` is `node_modules/name/path`. */
const importMap: Plugin = {
  name: "import-map",
  setup({ onResolve, resolve }) {
    const names = new Set(Object.keys(manifest.imports));
    onResolve({ filter: /^[^./]/ }, ({ path, pluginData, ...rest }) => {
      if (pluginData === importMap || !names.has(path)) return undefined;
      if (BROWSER_BUILDS[path]) return { path: BROWSER_BUILDS[path] };
      const target = manifest.imports[path].replace(/^npm:/, "").replace(/^((?:@[^/]+\/)?[^@/]+)@[^/]+/, "$1");
      return resolve(target, { ...rest, resolveDir: root, pluginData: importMap });
    });
  },
};

await Deno.remove(out, { recursive: true }).catch(() => {});
const result = await build({
  entryPoints: [`${root}main.ts`],
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "es2024",
  conditions: ["import"],
  minify: true,
  keepNames: true,
  legalComments: "none",
  metafile: true,
  absWorkingDir: root,
  define: { SKIFF_VERSION: JSON.stringify(manifest.version), SKIFF_COMMIT: JSON.stringify(commit()) },
  // CommonJS packages in the bundle ask for node's modules with require().
  banner: {
    js: `import{createRequire as __createRequire}from"node:module";const require=__createRequire("file:///");`,
  },
  plugins: [importMap],
});
await Deno.writeTextFile(`${out}/flags`, permissionFlags().map((flag) => `${flag}\n`).join(""));
const bytes = Object.values(result.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(`bundle: ${Object.keys(result.metafile.outputs).length} chunks, ${Math.round(bytes / 1024)} KiB`);
Deno.exit(0);

/** Short commit, with `-dirty` when tracked files differ from it; `unknown` outside a checkout. */
function commit(): string {
  const git = (...args: string[]) => {
    const { success, stdout } = new Deno.Command("git", {
      args: ["-c", `safe.directory=*`, "-C", root, ...args],
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  };
  const head = git("rev-parse", "--short=12", "HEAD");
  if (head === undefined) return "unknown";
  return git("status", "--porcelain", "--untracked-files=no") === "" ? head : `${head}-dirty`;
}
