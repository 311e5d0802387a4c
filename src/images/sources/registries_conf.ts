import type { Config } from "../../config/types.ts";
import type { Logger } from "../../observe/types.ts";
import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import type { Kernel } from "../../sys/mod.ts";
import { parseRegistriesFile, type RegistriesFile } from "./registries_file.ts";
import { fileVersion, readRegularText } from "./regular_file.ts";
import type { Alias, RegistryRule, RegistryRules } from "./rules.ts";

export interface RegistriesConfOptions {
  kernel: Kernel;
  logger: Logger;
  config: Pick<Config["images"], "registries" | "registriesConf">;
}

/**
 * The rules for registries: registries.conf, the files beside it by name, and our own configuration, which wins for the
 * hosts that it names. A change of the files is seen at the next question.
 */
export class RegistriesConf {
  #kernel: Kernel;
  #logger: Logger;
  #path: string;
  #own: Config["images"]["registries"];
  #version: string | undefined;
  #rules: RegistryRules | undefined;
  #problem = "";

  constructor({ kernel, logger, config }: RegistriesConfOptions) {
    this.#kernel = kernel;
    this.#logger = logger;
    this.#path = config.registriesConf;
    this.#own = config.registries;
  }

  /**
   * @throws {RpcError} FAILED_PRECONDITION with `file:line: key: what` while a file is wrong and never was right: what it
   * blocks is not known. Files that become wrong change nothing; the log says so once.
   */
  current(): RegistryRules {
    const files = this.#files();
    const version = files.map((path) => `${path}=${fileVersion(this.#kernel, path)}`).join("\n");
    if (version !== this.#version) {
      this.#version = version;
      this.#read(files);
    }
    if (this.#rules) return this.#rules;
    throw new RpcError(Code.FAILED_PRECONDITION, `the rules for registries are wrong: ${this.#problem}`);
  }

  #files(): string[] {
    const folder = `${this.#path}.d`;
    if (!this.#kernel.exists(folder)) return [this.#path];
    const names = this.#kernel.readDirectory(folder).map(({ name }) => name).filter((name) => name.endsWith(".conf"));
    return [this.#path, ...names.sort().map((name) => `${folder}/${name}`)];
  }

  #read(paths: string[]): void {
    try {
      const files: RegistriesFile[] = [];
      for (const path of paths) {
        const text = readRegularText(this.#kernel, path);
        if (text !== undefined) files.push(parseRegistriesFile(path, text));
      }
      const unknown = files.flatMap(({ unknown }) => unknown);
      if (unknown.length > 0) this.#logger.warn("keys of registries.conf that mean nothing", { unknown });
      this.#rules = combine(files, this.#own);
      this.#problem = "";
    } catch (error) {
      this.#problem = messageOf(error);
      const next = this.#rules ? "the rules before stay" : "no image is pulled until it is mended";
      this.#logger.error(`registries.conf is wrong; ${next}`, { error });
    }
  }
}

/** A later file replaces a registry's table, the search list and the mode as a whole, and adds aliases. */
function combine(files: RegistriesFile[], own: Config["images"]["registries"]): RegistryRules {
  const rules = new Map<string, RegistryRule>();
  const aliases = new Map<string, Alias>();
  const result: RegistryRules = { rules: [], search: undefined, aliases, shortNameMode: "permissive" };
  for (const file of files) {
    for (const rule of file.rules) rules.set(rule.prefix, rule);
    if (file.search) result.search = { registries: file.search, origin: file.searchOrigin };
    if (file.shortNameMode) result.shortNameMode = file.shortNameMode;
    for (const [short, alias] of file.aliases) {
      if (alias.name === "") aliases.delete(short);
      else aliases.set(short, alias);
    }
  }
  const isOwn = (prefix: string) => own[prefix.split("/", 1)[0].replace(/@.*$/, "")] !== undefined;
  result.rules = [...[...rules.values()].filter(({ prefix }) => !isOwn(prefix)), ...ownRules(own)];
  return result;
}

/** `images.registries` of our own configuration. */
function ownRules(registries: Config["images"]["registries"]): RegistryRule[] {
  return Object.entries(registries).map(([host, { mirrors, plainHttp }]) => ({
    prefix: host,
    location: host,
    insecure: false,
    plainHttp,
    blocked: false,
    mirrors: mirrors.map(({ url }) => ({ url })),
    origin: `images.registries."${host}"`,
  }));
}
