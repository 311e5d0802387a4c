/** One run of Kubernetes' own tests: a cluster of their own, their images, ginkgo in it, and its report. */
import { onSkiff } from "../../support/runtime_under_test.ts";
import { RegistryStorage } from "../../support/registry_storage.ts";
import { exists, tools } from "../../support/tools.ts";
import type { AttachedCluster } from "../attached.ts";
import { defaults, programs, rootOf } from "../options.ts";
import { down, up } from "../up_down.ts";
import { readGinkgoReport, type Spec } from "./ginkgo_report.ts";
import { conformanceImages, repositoryList } from "./images.ts";
import { notRun } from "./not_run.ts";
import { skipPattern } from "./verdict.ts";

export interface ConformanceOptions {
  /** Only specs whose names match. */
  focus?: string;
  /** Specs at a time; most of one is waiting. */
  parallel?: number;
  say?: (line: string) => void;
}

export interface ConformanceResult {
  specs: Spec[];
  seconds: number;
  /** ginkgo's output and report, the logs of the daemon and of the kubelet. */
  artifacts: string;
}

export const label = "NodeConformance";
/** ginkgo gives up by itself after this. */
const LIMIT = "90m";
/** Specs make a registry of their own where the cluster has its own otherwise. */
const REGISTRY_PORT = 5002;
/** A spec sees to it that what the checks of the kubelet allow is refused. */
const kubelet = { allowedUnsafeSysctls: [] };

export async function conformance(
  { focus, parallel = 6, say = () => {} }: ConformanceOptions = {},
): Promise<ConformanceResult> {
  for (const program of ["kubelet", "e2e.test", "ginkgo"]) {
    if (exists(`${programs}/${program}`)) continue;
    throw new Error(`no ${program} in ${programs}: run scripts/setup --kubernetes --kubernetes-e2e`);
  }
  const runtime = onSkiff ? "skiff" : "containerd";
  const artifacts = `${tools.checkout}/dist/conformance/${runtime}`;
  await Deno.remove(artifacts, { recursive: true }).catch(() => undefined);
  await Deno.mkdir(artifacts, { recursive: true });
  const name = `conformance-${Deno.pid}`;
  const cluster = await up({ ...defaults, name, runtime, registryPort: REGISTRY_PORT, owner: Deno.pid }, say);
  try {
    const storage = new RegistryStorage(`${rootOf(name)}/registry/storage`);
    for (const { repository, tags, image } of await conformanceImages()) {
      for (const tag of tags) await storage.add(repository, tag, image);
    }
    await cluster.restartKubelet(kubelet);
    const began = performance.now();
    await runGinkgo(cluster, { focus, parallel }, artifacts);
    const seconds = Math.round((performance.now() - began) / 1000);
    const specs = readGinkgoReport(await Deno.readTextFile(`${artifacts}/report.json`), label);
    return { specs, seconds, artifacts };
  } finally {
    for (const program of ["daemon", "kubelet"] as const) {
      await Deno.writeTextFile(`${artifacts}/${program}.log`, await cluster.log(program));
    }
    await down(name);
  }
}

async function runGinkgo(
  cluster: AttachedCluster,
  { focus, parallel }: { focus?: string; parallel: number },
  artifacts: string,
): Promise<void> {
  const list = `${cluster.dir}/repositories.yaml`;
  const temporary = `${cluster.dir}/tmp`;
  await Deno.writeTextFile(list, repositoryList);
  await Deno.mkdir(temporary);
  const skip = skipPattern(notRun);
  const log = await Deno.open(`${artifacts}/ginkgo.log`, { write: true, create: true });
  const child = new Deno.Command("nsenter", {
    args: cluster.enter(
      `${programs}/ginkgo`,
      "run",
      "--no-color",
      `--procs=${parallel}`,
      `--timeout=${LIMIT}`,
      `--label-filter=${label}`,
      ...skip ? [`--skip=${skip}`] : [],
      ...focus ? [`--focus=${focus}`] : [],
      `--output-dir=${artifacts}`,
      "--json-report=report.json",
      `${programs}/e2e.test`,
      "--",
      "--provider=skeleton",
      `--kubeconfig=${cluster.kubeconfig}`,
      `--kubectl-path=${programs}/kubectl`,
      `--kubelet-root-dir=${cluster.kubeletRoot}`,
      `--e2e-output-dir=${temporary}`,
      "--disable-log-dump",
      "--num-nodes=1",
    ),
    env: { KUBE_TEST_REPO_LIST: list, TMPDIR: temporary },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  await child.stdout.pipeTo(log.writable);
  const { code } = await child.status;
  if (!exists(`${artifacts}/report.json`)) {
    const end = (await Deno.readTextFile(`${artifacts}/ginkgo.log`)).split("\n").slice(-40).join("\n");
    throw new Error(`ginkgo ended with ${code} and without a report:\n${end}`);
  }
}
