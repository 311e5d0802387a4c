import type { Command } from "commander";

/** A command as completion sees it. */
export interface Words {
  /** From the root, with spaces: `skiff image pull`. */
  path: string;
  name: string;
  summary: string;
  options: OptionWords[];
  /** What the first argument may be, where that is fixed. */
  choices: string[];
  commands: Words[];
}

export interface OptionWords {
  long: string;
  short?: string;
  summary: string;
  /** It is followed by a value; `choices` are the allowed ones, if they are fixed. */
  takesValue: boolean;
  choices: string[];
}

/** Commands, options and fixed values of a commander tree. */
export function wordTree(command: Command, parent = ""): Words {
  const path = `${parent} ${command.name()}`.trim();
  const help: OptionWords = { long: "--help", short: "-h", summary: "Show this help.", takesValue: false, choices: [] };
  return {
    path,
    name: command.name(),
    summary: command.summary() || command.description(),
    options: [
      ...command.options.filter(({ hidden, long }) => !hidden && long).map((
        { long, short, description, required, argChoices },
      ) => ({
        long: long!,
        short: short ?? undefined,
        summary: description,
        takesValue: required,
        choices: [...argChoices ?? []],
      })),
      help,
    ],
    choices: [...command.registeredArguments[0]?.argChoices ?? []],
    commands: command.commands.map((child) => wordTree(child, path)),
  };
}

/** The command and all below it. */
export function flatten(words: Words): Words[] {
  return [words, ...words.commands.flatMap(flatten)];
}
