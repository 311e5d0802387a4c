import { Command } from "commander";
import { build, changesBetween, type Config, type ConfigFiles, loadConfig, resolveConfig } from "../config/mod.ts";
import { createLogger, type LeveledLogger } from "../observe/mod.ts";
import { asUsage, type ConfigOptions, loadOptions, withConfigOptions } from "./config_options.ts";
import { EXIT_FAILURE } from "./exit.ts";
import { kernelFiles } from "./files.ts";
import { notifyServiceManager } from "./notify.ts";

/** `skiff serve` */
export function command(): Command {
  return withConfigOptions(new Command("serve"))
    .summary("run the daemon")
    .description(
      "Serves CRI v1 and the admin service until SIGTERM or SIGINT. Containers go on running when the daemon ends, and are found " +
        "again when it starts. SIGHUP reads the configuration again, applies the keys that can change, and logs the ones that need a restart.",
    )
    .addHelpText(
      "after",
      `
Examples:
  skiff serve
  skiff serve --set runtimes.kata.path=/opt/kata/bin/kata-runtime --log-level debug
  kubelet --container-runtime-endpoint unix:///run/skiff/skiff.sock …
`,
    )
    .action(serve);
}

async function serve(options: ConfigOptions): Promise<void> {
  const files = await kernelFiles();
  const config = asUsage(() => load(files, options));
  const logger = createLogger({ level: config.log.level, format: config.log.format });
  const signals = listenForSignals(logger, () => reload(files, options, config, logger));
  logger.info("starting", {
    version: build.version,
    commit: build.commit,
    pid: Deno.pid,
    socket: config.socket,
    root: config.root,
  });
  const { startDaemon } = await import("../daemon.ts");
  const daemon = await startDaemon(config, { logger, version: build.version });
  logger.info("serving", { socket: config.socket });
  await Promise.race([notifyServiceManager("READY=1", logger), signals.stopAsked]);
  const signal = await signals.stopAsked;
  logger.info("stopping; containers go on running", { signal });
  await notifyServiceManager("STOPPING=1", logger);
  await daemon.stop();
  logger.info("stopped");
}

function load(files: ConfigFiles, options: ConfigOptions): Config {
  return resolveConfig(loadConfig(files, loadOptions(options)), files.exists);
}

/** The first SIGTERM or SIGINT asks for a graceful stop, the second one ends the process at once. */
function listenForSignals(logger: LeveledLogger, reload: () => void): { stopAsked: Promise<Deno.Signal> } {
  const { promise, resolve } = Promise.withResolvers<Deno.Signal>();
  let asked = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => {
      if (asked) {
        logger.warn("second signal: ending at once", { signal });
        Deno.exit(EXIT_FAILURE);
      }
      asked = true;
      resolve(signal);
    });
  }
  Deno.addSignalListener("SIGHUP", reload);
  return { stopAsked: promise };
}

/** Takes over the keys that can change while the daemon runs; a configuration that is wrong changes nothing. */
function reload(files: ConfigFiles, options: ConfigOptions, running: Config, logger: LeveledLogger): void {
  let next: Config;
  try {
    next = load(files, options);
  } catch (error) {
    logger.error("reload: the configuration is wrong; the running one stays", { error });
    return;
  }
  const changes = changesBetween(running, next);
  if (changes.length === 0) logger.info("reload: nothing has changed");
  for (const { key, from, to, reload } of changes) {
    if (reload === "reload") logger.info("reload: changed", { key, from, to });
    else logger.warn("reload: this key needs a restart", { key, from, to });
  }
  running.log.level = logger.level = next.log.level;
}
