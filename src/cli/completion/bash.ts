import { flatten, type Words } from "./words.ts";

/** A completion function for bash: walks the words typed so far down the tree of commands, then offers what fits there. */
export function bashCompletion(root: Words): string {
  const cases = flatten(root).map((words) => `    ${quote(words.path)}) ${assignments(words)} ;;`);
  const values = flatten(root).flatMap(({ path, options }) =>
    options.filter(({ takesValue }) => takesValue).map((option) =>
      `    ${[option.long, option.short].filter(Boolean).map((name) => quote(`${path} ${name}`)).join("|")}) values=${
        quote(option.choices.join(" "))
      }; takes=1 ;;`
    )
  );
  return `# bash completion for skiff
_skiff_at() {
  commands= options= choices=
  case $1 in
${cases.join("\n")}
  esac
}
_skiff_value() {
  values= takes=
  case $1 in
${values.join("\n")}
  esac
}
_skiff() {
  local current=\${COMP_WORDS[COMP_CWORD]} path=skiff word commands options choices values takes=
  local index
  COMPREPLY=()
  _skiff_at "$path"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    if [[ -n $takes ]]; then takes=; continue; fi
    _skiff_value "$path $word"
    if [[ " $commands " == *" $word "* ]]; then path="$path $word"; _skiff_at "$path"; fi
  done
  if [[ -n $takes ]]; then
    if [[ -n $values ]]; then COMPREPLY=($(compgen -W "$values" -- "$current")); else COMPREPLY=($(compgen -f -- "$current")); fi
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$commands $choices" -- "$current"))
  fi
}
complete -F _skiff skiff
`;
}

function assignments({ commands, options, choices }: Words): string {
  const names = options.flatMap(({ long, short }) => short ? [long, short] : [long]);
  const words = { commands: commands.map(({ name }) => name), options: names, choices };
  return Object.entries(words).map(([name, list]) => `${name}=${quote(list.join(" "))}`).join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
