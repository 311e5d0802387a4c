import {
  type Config,
  ConfigError,
  type ConfigFiles,
  loadConfig,
  type LoadedConfig,
  type LoadOptions,
} from "../../../src/config/mod.ts";

/** Files by path, as the loader sees them. */
export function filesOf(contents: Record<string, string>): ConfigFiles {
  return {
    readText: (path) => {
      if (!(path in contents)) throw new Error("No such file or directory");
      return contents[path];
    },
    exists: (path) => Object.keys(contents).some((file) => file === path || file.startsWith(`${path}/`)),
    list: (path) =>
      Object.keys(contents).filter((file) => file.startsWith(`${path}/`)).map((file) => file.slice(path.length + 1)),
  };
}

/** Loads one file of this content. */
export function load(content: string, options: LoadOptions = {}): LoadedConfig {
  return loadConfig(filesOf({ "/etc/skiff/skiff.yaml": content }), options);
}

export function config(content: string): Config {
  return load(content).config;
}

/** The lines of the error that this content gives, without the file's folder. */
export function problemsOf(content: string, options: LoadOptions = {}): string[] {
  try {
    load(content, options);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll("/etc/skiff/", "").split("\n");
    throw error;
  }
  throw new Error("the configuration was accepted");
}
