/** A whole Kubernetes cluster of one node on this machine, by hand: up, check, down. */
import { parseArgs } from "node:util";
import { AttachedCluster } from "./attached.ts";
import { checks } from "./checks.ts";
import { notRun } from "./conformance/not_run.ts";
import { conformance } from "./conformance/run.ts";
import { faults, reasons, summary } from "./conformance/verdict.ts";
import { keep } from "./keeper.ts";
import { type ClusterOptions, defaults, dirOf, kubernetesVersion, programs } from "./options.ts";
import { type CheckResult, choose, count, runChecks } from "./runner.ts";
import { down, up } from "./up_down.ts";

const help =
  `A Kubernetes ${kubernetesVersion} cluster of one node, in network and mount namespaces of its own. As root.
Its programs: scripts/setup --test --kubernetes puts them in ${programs}

deno run -A tests/kubelet/main.ts up [--name NAME] [--runtime skiff|containerd] [--oci runc|crun] [--old-runc]
                                     [--stats-from-cri] [--no-addons] [--cgroup-driver cgroupfs|systemd]
deno run -A tests/kubelet/main.ts check [--cluster NAME] [CHECK…] [--full] [--list] [--json] [--parallel N]
deno run -A tests/kubelet/main.ts kubectl [--cluster NAME] -- ARGUMENT…
deno run -A tests/kubelet/main.ts run [--cluster NAME] -- PROGRAM ARGUMENT…    a program on the node
deno run -A tests/kubelet/main.ts order [--cluster NAME] restartDaemon|killDaemon|restartKubelet|reboot|registryDown|registryUp
deno run -A tests/kubelet/main.ts down [--name NAME]
deno run -A tests/kubelet/main.ts conformance [--focus PATTERN] [--parallel N]
    Kubernetes' own tests in a cluster of their own. They need scripts/setup --kubernetes-e2e, too.

NAME is "${defaults.name}" unless given; several clusters may run side by side. CHECK is part of a check's name, or an item of --list.
Logs of a cluster's programs: ${dirOf("NAME")}/*.log
`;

async function main(args: string[]): Promise<number> {
  const [command, ...rest] = args;
  const { values, positionals } = parseArgs({
    args: rest,
    allowPositionals: true,
    options: {
      name: { type: "string" },
      cluster: { type: "string" },
      runtime: { type: "string", default: defaults.runtime },
      oci: { type: "string", default: defaults.ociRuntime },
      "old-runc": { type: "boolean", default: false },
      "stats-from-cri": { type: "boolean", default: false },
      "no-addons": { type: "boolean", default: false },
      "cgroup-driver": { type: "string", default: defaults.cgroupDriver },
      full: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      parallel: { type: "string" },
      focus: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const name = values.name ?? values.cluster ?? defaults.name;
  if (values.help) {
    console.log(help);
    return 0;
  }
  switch (command) {
    case "up": {
      const cluster = await up({
        name,
        runtime: oneOf("--runtime", values.runtime, ["skiff", "containerd"]),
        ociRuntime: oneOf("--oci", values.oci, ["runc", "crun"]),
        oldRunc: values["old-runc"],
        cgroupDriver: oneOf("--cgroup-driver", values["cgroup-driver"], ["cgroupfs", "systemd"]),
        statsFromCRI: values["stats-from-cri"],
        registryPort: defaults.registryPort,
        addons: !values["no-addons"],
        owner: 0,
      }, console.log);
      console.log(`cluster "${name}" is up after ${(cluster.upMs / 1000).toFixed(1)} s; its folder: ${cluster.dir}`);
      return 0;
    }
    case "keep":
      await keep(JSON.parse(positionals[0]) as ClusterOptions);
      return 0;
    case "check":
      return await check(name, positionals, values);
    case "kubectl":
      return await pass(new AttachedCluster(name), `${programs}/kubectl`, [
        "--kubeconfig",
        kubeconfig(name),
        ...positionals,
      ]);
    case "run":
      return await pass(new AttachedCluster(name), positionals[0], positionals.slice(1));
    case "order": {
      const orders = ["restartDaemon", "killDaemon", "restartKubelet", "reboot", "registryDown", "registryUp"] as const;
      await new AttachedCluster(name)[oneOf("order", positionals[0], orders)]();
      return 0;
    }
    case "conformance":
      return await conform(values);
    case "down":
      await down(name);
      return 0;
    default:
      console.error(help);
      return 2;
  }
}

const kubeconfig = (name: string) => new AttachedCluster(name).kubeconfig;

function oneOf<T extends string>(what: string, value: string | undefined, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new Error(`${what} is one of ${allowed.join(", ")}`);
  return found;
}

async function check(
  name: string,
  wanted: string[],
  { full, list, json, parallel = "3" }: { full: boolean; list: boolean; json: boolean; parallel?: string },
): Promise<number> {
  const chosen = choose(checks, wanted, full || list);
  if (chosen.length === 0) {
    console.error(`no check's name or item has ${wanted.join(", ")} in it`);
    return 2;
  }
  if (list) {
    const lines = chosen.map(({ item, name, full }) => `${item.padEnd(40)}  ${name}${full ? "  (--full)" : ""}`);
    console.log(json ? JSON.stringify(chosen.map(({ name, item, full }) => ({ name, item, full }))) : lines.join("\n"));
    return 0;
  }
  const tell = ({ name, state, seconds, reason }: CheckResult) => {
    if (json) return;
    console.log(`${{ passed: "ok  ", failed: "FAIL", skipped: "skip" }[state]}  ${name}  (${seconds} s)`);
    if (reason) console.log(reason.replace(/^/gm, "        "));
  };
  const results = await runChecks(new AttachedCluster(name), chosen, { parallel: Number(parallel), tell });
  console.log(json ? JSON.stringify(results, null, 2) : count(results));
  return results.some(({ state }) => state === "failed") ? 1 : 0;
}

async function conform({ focus, parallel }: { focus?: string; parallel?: string }): Promise<number> {
  const result = await conformance({ focus, parallel: parallel ? Number(parallel) : undefined, say: console.log });
  const found = faults(result.specs, focus ? [] : notRun);
  console.log([...reasons(result.specs, notRun), ...found, summary(result)].join("\n"));
  return found.length === 0 ? 0 : 1;
}

async function pass(cluster: AttachedCluster, program: string, args: string[]): Promise<number> {
  const child = new Deno.Command("nsenter", {
    args: cluster.enter(program, ...args),
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  });
  return (await child.spawn().status).code;
}

try {
  Deno.exit(await main(Deno.args));
} catch (error) {
  console.error((error as Error).message);
  Deno.exit(1);
}
