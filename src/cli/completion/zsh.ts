import { flatten, type OptionWords, type Words } from "./words.ts";

/** A completion function for zsh, with the summaries: one function per command. */
export function zshCompletion(root: Words): string {
  return `#compdef skiff\n${flatten(root).map(commandFunction).join("\n")}\n${functionName(root)} "$@"\n`;
}

function commandFunction(words: Words): string {
  const name = functionName(words);
  const options = words.options.flatMap(optionSpecs).map((spec) => `    ${quote(spec)} \\`).join("\n");
  if (words.commands.length === 0) {
    const argument = words.choices.length > 0 ? quote(`1:value:(${words.choices.join(" ")})`) : quote("*:file:_files");
    return `${name}() {\n  _arguments -s \\\n${options}\n    ${argument}\n}`;
  }
  const described = words.commands.map((child) => `    ${quote(`${child.name}:${child.summary}`)}`).join("\n");
  const calls = words.commands.map((child) => `    ${child.name}) ${functionName(child)} ;;`).join("\n");
  return `${name}() {
  local state line
  local -a commands=(
${described}
  )
  _arguments -C -s \\
${options}
    '1:command:->command' '*::argument:->argument'
  case $state in
  command) _describe command commands ;;
  argument) case $line[1] in
${calls}
  esac ;;
  esac
}`;
}

function optionSpecs({ long, short, summary, takesValue, choices }: OptionWords): string[] {
  const value = takesValue ? `:value:${choices.length > 0 ? `(${choices.join(" ")})` : "_files"}` : "";
  return [long, short].filter((name) => name !== undefined).map((name) => `${name}[${escape(summary)}]${value}`);
}

function functionName({ path }: Words): string {
  return `_${path.replaceAll(" ", "_")}`;
}

function escape(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
