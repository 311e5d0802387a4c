import { stringify } from "yaml";
import type { Field, Node, Nodes } from "./fields.ts";
import { schema } from "./schema.ts";

/** docs/config.md: every key with its text, default, allowed values, and whether a change needs a restart. */
export function configDocs(): string {
  return `${HEAD}\n${shapeDocs(schema, "")}`;
}

function shapeDocs(shape: Nodes, prefix: string): string {
  return Object.entries(shape).map(([name, node]) => nodeDocs(`${prefix}${name}`, node)).join(
    "\n",
  );
}

function nodeDocs(key: string, node: Node): string {
  if (node.kind === "field") return fieldDocs(key, node);
  if (node.kind === "section") return `## \`${key}\`\n\n${node.doc}\n\n${shapeDocs(node.fields, `${key}.`)}`;
  const names = Object.keys(node.default);
  const defaults = names.length === 0 ? "none" : names.map((name) => `\`${name}\``).join(", ");
  const head = `## \`${key}\`\n\n${node.doc}\n\n- names: ${node.nameAllowed}\n- default entries: ${defaults}\n\n`;
  return head + shapeDocs(node.entry, `${key}.${node.nameExample}.`);
}

function fieldDocs(key: string, field: Field): string {
  const value = stringify(field.default, { lineWidth: 0, collectionStyle: "flow", flowCollectionPadding: false })
    .trim();
  const change = field.reload === "reload" ? "a reload (SIGHUP)" : "a restart";
  return `### \`${key}\`\n\n${field.doc}\n\n- default: \`${value}\`\n- allowed: ${field.allowed}\n- a change needs: ${change}\n`;
}

const HEAD = `# Configuration

Read in this order, later values win:

1. the defaults below,
2. \`/etc/skiff/skiff.yaml\` (or the file that \`--config\` names),
3. \`/etc/skiff/skiff.yaml.d/*.yaml\` (or \`FILE.d/*.yaml\`), in the order of their names,
4. flags of \`skiff serve\`: \`--set KEY=VALUE\` for any key, and short ones for the common keys.

Lists are replaced as a whole; tables (\`runtimes\`, \`images.registries\`) are merged by name. A key that isn't listed here is an error.
\`skiff config\` prints the result, \`skiff config --diff\` what differs from the defaults and where it was set,
\`skiff config check FILE\` says what is wrong with a file. \`root\`, \`state\` and \`socket\` stay below fixed folders because the binary's
permissions name those folders: see [permissions.md](permissions.md).
`;
