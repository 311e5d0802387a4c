import { flatten, type Words } from "./words.ts";

/** Completion rules for fish, with the summaries. */
export function fishCompletion(root: Words): string {
  return `# fish completion for skiff
function __skiff_at
    set -l typed (commandline -opc)
    set -e typed[1]
    set -l words
    for word in $typed
        string match -q -- '-*' $word; or set -a words $word
    end
    test "$words[1..$argv[1]]" = "$argv[2..-1]"
end
complete -c skiff -f
${flatten(root).flatMap((words) => rules(words)).join("\n")}
`;
}

function rules({ path, commands, options, choices }: Words): string[] {
  const words = path.split(" ").slice(1);
  const here = words.length === 0 ? "" : `__skiff_at ${words.length} ${words.join(" ")}`;
  const condition = here === "" ? "" : ` -n ${quote(here)}`;
  const names = commands.map(({ name }) => name);
  const notYet = names.length === 0 ? "" : `not __fish_seen_subcommand_from ${names.join(" ")}`;
  const commandCondition = [here, notYet].filter(Boolean).join("; and ");
  return [
    ...commands.map(({ name, summary }) =>
      `complete -c skiff -n ${quote(commandCondition)} -a ${name} -d ${quote(summary)}`
    ),
    ...choices.map((choice) => `complete -c skiff${condition} -a ${choice}`),
    ...options.map(({ long, short, summary, takesValue, choices: values }) => {
      const value = takesValue ? ` -r${values.length > 0 ? ` -a ${quote(values.join(" "))}` : " -F"}` : "";
      return `complete -c skiff${condition} -l ${long.slice(2)}${short ? ` -s ${short.slice(1)}` : ""}${value} -d ${
        quote(summary)
      }`;
    }),
  ];
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
