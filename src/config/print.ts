import { stringify } from "yaml";
import type { Node, Nodes } from "./fields.ts";
import { schema } from "./schema.ts";
import type { Config } from "./types.ts";

const LINE_WIDTH = 100;

/** A configuration as YAML that loads to the same again; with `comments` (default: false), each key is explained as in the documentation. */
export function printConfig(config: Config, { comments = false }: { comments?: boolean } = {}): string {
  if (!comments) return stringify(config, { lineWidth: 0 });
  return printShape(schema, config as unknown as Record<string, unknown>, "").trimStart();
}

function printShape(shape: Nodes, values: Record<string, unknown>, indent: string): string {
  return Object.entries(shape).map(([key, node]) =>
    `\n${comment(node, indent)}${printKey(key, node, values[key], indent)}`
  ).join("");
}

function printKey(key: string, node: Node, value: unknown, indent: string): string {
  if (node.kind === "section") {
    return `${indent}${key}:\n${
      printShape(node.fields, value as Record<string, unknown>, `${indent}  `).replace(/^\n/, "")
    }`;
  }
  return stringify({ [key]: value }, { lineWidth: 0 }).replace(/^(?=.)/gm, indent);
}

function comment(node: Node, indent: string): string {
  const allowed = node.kind === "field" ? ` Allowed: ${node.allowed}.` : "";
  return wrap(node.doc + allowed, LINE_WIDTH - indent.length - 2).map((line) => `${indent}# ${line}\n`).join("");
}

/** Breaks text at spaces into lines of at most `width` characters. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
