import { ConfigError, type Problem } from "./problem.ts";
import type { LoadedConfig } from "./load.ts";
import type { Config } from "./types.ts";

const RUNTIME_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
const SYSTEM_BUS = "/run/dbus/system_bus_socket";
const CONMON_FOLDERS = ["/usr/local/bin", "/usr/bin", "/usr/libexec/podman", "/usr/libexec/crio"];

/**
 * Fills in what is empty because it is to be looked for: programs, and each runtime's own folder. A default runtime entry whose
 * program isn't on the node is left out; one that a file names, the default runtime, and conmon must be there.
 * @throws ConfigError with everything that was not found.
 */
export function resolveConfig(loaded: LoadedConfig, exists: (path: string) => boolean): Config {
  const config = structuredClone(loaded.config);
  const problems: Problem[] = [];
  const missing = (key: string, name: string, folders: string[], setAt = key) => {
    const message = `${name} was not found in ${
      folders.join(", ")
    }; install it (on Debian and Ubuntu: apt-get install ${name}) or set ${key}`;
    problems.push({ origin: loaded.origins.get(setAt) ?? { source: "(default)" }, key, message });
  };
  for (const [name, runtime] of Object.entries(config.runtimes)) {
    runtime.root ||= `${config.state}/runtimes/${name}`;
    runtime.path ||= search(RUNTIME_FOLDERS, name, exists) ?? "";
    if (runtime.path !== "") continue;
    const asked = loaded.origins.has(`runtimes.${name}`) || name === config.defaultRuntime;
    if (asked) missing(`runtimes.${name}.path`, name, RUNTIME_FOLDERS, `runtimes.${name}`);
    else delete config.runtimes[name];
  }
  config.conmon ||= search(CONMON_FOLDERS, "conmon", exists) ?? "";
  if (config.conmon === "") missing("conmon", "conmon", CONMON_FOLDERS);
  if (config.cgroupDriver === "systemd") problems.push(...systemdProblems(loaded, exists));
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** See sd_booted(3): the folder is there exactly where systemd is process 1. */
function systemdProblems(loaded: LoadedConfig, exists: (path: string) => boolean): Problem[] {
  const wrong = !exists("/run/systemd/system")
    ? "is systemd, but systemd is not process 1 of this machine: set cgroupfs, and the same for the kubelet"
    : !exists(SYSTEM_BUS)
    ? `is systemd, but it cannot be reached: there is no ${SYSTEM_BUS}; install and start dbus (on Debian and Ubuntu: apt-get install dbus)`
    : undefined;
  const origin = loaded.origins.get("cgroupDriver") ?? { source: "(default)" };
  return wrong === undefined ? [] : [{ origin, key: "cgroupDriver", message: wrong }];
}

function search(folders: string[], name: string, exists: (path: string) => boolean): string | undefined {
  return folders.map((folder) => `${folder}/${name}`).find(exists);
}
