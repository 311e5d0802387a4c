/** The rules of the house that a compiler does not know: who may import whom, who may call the kernel, names, sizes. */
import { assertEquals } from "@std/assert";
import { ImageServiceDefinition, RuntimeServiceDefinition } from "../../proto/gen/runtime/v1/api.ts";
import { dirname, join, relative } from "@std/path";

const root = new URL("../..", import.meta.url).pathname;

interface Import {
  /** Path from the root, or the name of a package. */
  target: string;
  typeOnly: boolean;
}

interface Source {
  /** Path from the root. */
  path: string;
  text: string;
  imports: Import[];
}

/** Folder of src → the folders it may import from, besides the leaves and itself. The cli is a client: it needs files, not the domain. */
const ARROWS: Record<string, string[]> = {
  cli: ["sys"],
  cri: ["pods", "oci", "images", "network", "streaming", "stats", "sys"],
  admin: ["pods", "oci", "images", "network", "streaming", "stats", "sys"],
  pods: ["oci", "images", "network", "streaming", "stats", "sys"],
  oci: ["sys"],
  images: ["sys"],
  network: ["sys"],
  streaming: ["sys"],
  stats: ["sys"],
  rpc: [],
  config: [],
  observe: [],
  sys: [],
};
const LEAVES = ["rpc", "config", "observe"];
/** Siblings of which one may name the other's types. */
const TYPE_ARROWS: Record<string, string[]> = { oci: ["images"], stats: ["oci"] };
/**
 * Files that are a door of their own beside mod.ts: types without code, the client, which the daemon must not load, and what
 * runs before all.
 */
const SIDE_DOORS =
  /^src\/(?:[a-z]+\/types\.ts|rpc\/status\.ts|rpc\/client\.ts|oci\/spec\.ts|sys\/(?:kernel|programs|replace_process)\.ts)$/;
/** Where a second process of the same file starts, and what puts the house together. */
const ENTRANCES: Record<string, string[]> = {
  "main.ts": ["src/cli/commands.ts", "src/cli/event_interval.ts", "src/cli/run.ts"],
  "src/cli/commands.ts": [
    "src/pods/checkpoint_child.ts",
    "src/images/fetch_child.ts",
    "src/images/parse_child.ts",
    "src/images/additional_child.ts",
    "src/images/transfer/index_child.ts",
    "src/images/transfer/export_child.ts",
    "src/images/unpack/unpack_child.ts",
    "src/images/unpack/compare_child.ts",
    "src/images/serving/serve_child.ts",
    "src/images/trust/verify_child.ts",
  ],
  "src/cli/serve.ts": ["src/daemon.ts"],
};

const sources = [...filesBelow("src"), "main.ts"].map(read);

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(join(root, folder))].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) return filesBelow(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function read(path: string): Source {
  const text = Deno.readTextFileSync(join(root, path));
  const code = withoutComments(text);
  const statements = [...code.matchAll(/^(?:import|export)\b(?:([^"';]*?)\bfrom\s*)?\s*"([^"]+)"/gm)]
    .map(([, clause = "", specifier]) => ({ specifier, typeOnly: isTypeOnly(clause) }));
  const dynamic = [...code.matchAll(/\bimport\("([^"]+)"\)/g)].map(([, specifier]) => ({ specifier, typeOnly: false }));
  const imports = [...statements, ...dynamic].map(({ specifier, typeOnly }) => ({
    target: specifier.startsWith(".") ? relative(root, join(root, dirname(path), specifier)) : specifier,
    typeOnly,
  }));
  return { path, text, imports };
}

/** `import type …`, or every name in the braces is `type name`. */
function isTypeOnly(clause: string): boolean {
  if (/^\s*type\b/.test(clause)) return true;
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1].split(",").map((name) => name.trim()).filter(Boolean);
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith("type "));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "").replace(/([;,{}]\s)\s*\/\/ .*$/gm, "$1");
}

function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function breaches(breach: (source: Source, imported: Import) => boolean): string[] {
  return sources.flatMap((source) =>
    source.imports
      .filter(({ target }) => !ENTRANCES[source.path]?.includes(target))
      .filter((imported) => breach(source, imported))
      .map(({ target }) => `${source.path} imports ${target}`)
  );
}

Deno.test("house: the reader of imports sees static, dynamic, type-only and re-exported ones", () => {
  const { imports } = read("src/cli/run.ts");
  assertEquals(imports.some(({ target, typeOnly }) => target === "commander" && !typeOnly), true);
  assertEquals(read("src/cli/commands.ts").imports.filter(({ target }) => target === "src/cli/serve.ts").length, 1);
  assertEquals(
    read("src/config/mod.ts").imports.find(({ target }) => target === "src/config/types.ts")?.typeOnly,
    true,
  );
  assertEquals(isTypeOnly(" { type A, type B } "), true);
  assertEquals(isTypeOnly(" { type A, b } "), false);
});

Deno.test("house: every folder of src has its place in the arrows", () => {
  const folders = [...Deno.readDirSync(join(root, "src"))].filter(({ isDirectory }) => isDirectory).map(({ name }) =>
    name
  );
  assertEquals(folders.filter((name) => !(name in ARROWS)), []);
});

Deno.test("house: arrows go one way", () => {
  assertEquals(
    breaches(({ path }, { target, typeOnly }) => {
      const [from, to] = [folderOf(path), folderOf(target)];
      if (from === undefined || to === undefined || from === to || LEAVES.includes(to)) return false;
      return !ARROWS[from].includes(to) && !(typeOnly && TYPE_ARROWS[from]?.includes(to));
    }),
    [],
  );
});

Deno.test("house: nothing in a folder imports what puts the house together", () => {
  assertEquals(
    breaches(({ path }, { target }) => folderOf(path) !== undefined && /^(main|src\/[^/]+)\.ts$/.test(target)),
    [],
  );
});

Deno.test("house: nothing imports past a folder's mod.ts, but its types", () => {
  assertEquals(
    breaches(({ path }, { target }) => {
      const to = folderOf(target);
      if (to === undefined || to === folderOf(path) || SIDE_DOORS.test(target)) return false;
      // cri/ has one door for each of its two services.
      return !/^src\/(?:[a-z]+|cri\/(?:runtime|image))\/mod\.ts$/.test(target);
    }),
    [],
  );
});

Deno.test("house: only the cli loads grpc-js", () => {
  assertEquals(breaches(({ path }, { target }) => target === "src/rpc/client.ts" && folderOf(path) !== "cli"), []);
  assertEquals(breaches(({ path }, { target }) => target === "@grpc/grpc-js" && path !== "src/rpc/client.ts"), []);
});

Deno.test("house: what parses untrusted bytes does not reach libc", () => {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const visit = (path: string) => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { target, typeOnly } of byPath.get(path)?.imports ?? []) if (!typeOnly) visit(target);
  };
  visit("src/images/parse_child.ts");
  visit("src/images/trust/verify_child.ts");
  visit("src/images/transfer/index_child.ts");
  visit("src/images/serving/serve_child.ts");
  assertEquals([...reached].filter((path) => path.startsWith("src/sys/")), []);
  assertEquals(reached.size > 1, true);
});

Deno.test("house: libc and programs only in sys", () => {
  assertEquals(
    uses(
      /\bDeno\.(?:dlopen|Command|UnsafePointer\w*|UnsafeCallback)\b|node:child_process/,
      (path) => !path.startsWith("src/sys/"),
    ),
    [],
  );
});

Deno.test("house: the daemon reaches files through the kernel", () => {
  // The children of images have no libc, and only descriptors that they were given. rpc knows nothing of sys; its one file is
  // the socket, which lies where the permissions reach.
  const exempt = /^src\/(?:cli|sys)\/|^src\/images\/.*child|^src\/rpc\/socket_file\.ts$/;
  const calls =
    "readTextFile|writeTextFile|readFile|writeFile|open|stat|lstat|mkdir|remove|rename|readDir|readLink|symlink|link|chmod|chown|truncate|copyFile|makeTempDir|makeTempFile|watchFs|realPath";
  assertEquals(uses(new RegExp(`\\bDeno\\.(?:${calls})(?:Sync)?\\b|"node:fs`), (path) => !exempt.test(path)), []);
});

function uses(pattern: RegExp, where: (path: string) => boolean): string[] {
  return sources.filter(({ path, text }) => where(path) && pattern.test(withoutComments(text))).map(({ path }) => path);
}

Deno.test("house: names say what is in a file", () => {
  const vague = /(?:^|[/_])(?:utils?|helpers?|common|misc|manager|stuff)(?:[_.]|$)/;
  const all = [...sources.map(({ path }) => path), ...filesBelow("tests/support"), ...filesBelow("scripts")];
  assertEquals(all.filter((path) => path.split("/").some((part) => vague.test(part))), []);
  assertEquals(all.filter((path) => !/^[a-z0-9_/.]+$/.test(path)), []);
});

Deno.test("house: named exports only", () => {
  assertEquals(uses(/^export default\b/m, () => true), []);
});

Deno.test("house: no file over 400 lines", () => {
  const long = sources.filter(({ text }) => text.split("\n").length > 401).map(({ path, text }) =>
    `${path}: ${text.split("\n").length - 1}`
  );
  assertEquals(long, []);
});

Deno.test("house: no private field by underscore, and no markers of unfinished work", () => {
  assertEquals(uses(/\bthis\._|\bprivate _/, () => true), []);
  const marker = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
  assertEquals(sources.filter(({ text }) => marker.test(text)).map(({ path }) => path), []);
});

Deno.test("house: tests mirror src", () => {
  const folders = new Set(sources.map(({ path }) => folderOf(path)).filter(Boolean));
  const stray = filesBelow("tests/unit").filter((path) => {
    const [, , folder, file] = path.split("/");
    return file !== undefined && !folders.has(folder);
  });
  assertEquals(stray, []);
});

Deno.test("house: README says how many CRI calls are answered, and names the others", () => {
  const doors = ["src/cri/runtime/mod.ts", "src/cri/image/mod.ts"].map((path) =>
    Deno.readTextFileSync(join(root, path))
  ).join("");
  const answered = new Set([...doors.matchAll(/^ {4}(\w+): /gm)].map(([, key]) => key));
  const methods = Object.entries({ ...RuntimeServiceDefinition.methods, ...ImageServiceDefinition.methods });
  const missing = methods.filter(([key]) => !answered.has(key)).map(([, { name }]) => name);
  const readme = Deno.readTextFileSync(join(root, "README.md"));
  const row = /^\| Calls answered .*$/m.exec(readme)?.[0] ?? "";
  assertEquals(/(\d+) of (\d+)/.exec(row)?.slice(1), [String(methods.length - missing.length), String(methods.length)]);
  assertEquals(missing.filter((name) => !row.includes(name)), []);
});
