/** One run of critest: a test node of its own, a daemon in it, the whole suite, and what is left on the node afterwards. */
import type { Daemon } from "../support/daemon.ts";
import { sleep, tryRun } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Peer } from "../support/peer.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { tools } from "../support/tools.ts";
import { digestSpec, registryHosts, standIns } from "./images/catalog.ts";
import { readJUnit, type Spec } from "./junit.ts";
import { type RuntimeName, runtimes } from "./runtimes.ts";
import { loneSegments, removeSegmentsSince } from "./shared_memory.ts";

export interface CritestOptions {
  runtime: RuntimeName;
  /** Exec, attach and port-forward over WebSocket instead of SPDY. */
  websocket?: boolean;
  /** Order of the specs; default: another one each time, which the report names. */
  seed?: number;
  /** Only specs whose names match. */
  focus?: string;
}

export interface CritestResult {
  options: CritestOptions;
  specs: Spec[];
  /** What the daemon left on the node after its last pod and its own end. */
  left: string[];
  seed: number;
  seconds: number;
  /** critest's output, its JUnit file, the daemon's log. */
  artifacts: string;
}

/** critest gives up by itself after this; three minutes are usual. */
const LIMIT = "25m";

export async function critest(options: CritestOptions): Promise<CritestResult> {
  const artifacts = await artifactsFolder(options);
  const seed = options.seed ?? Math.floor(Math.random() * 0x7fff_ffff);
  const segments = loneSegments();
  await using node = await TestNode.start();
  for (const { repository, tags, image } of await standIns()) {
    for (const tag of tags) await node.registry.add(repository, tag, image);
  }
  const before = await node.snapshot();
  const daemon = daemonFor(node, options.runtime);
  try {
    await daemon.start();
    const began = performance.now();
    await runSuite(daemon, { ...options, seed }, artifacts);
    const seconds = (performance.now() - began) / 1000;
    await daemon.stop();
    const left = daemon.kind === "skiff" ? (await node.leftSince(before)).filter(isNotOfTheNode) : [];
    const specs = readJUnit(await Deno.readTextFile(`${artifacts}/junit.xml`));
    return { options, specs, left, seed, seconds, artifacts };
  } finally {
    await removeSegmentsSince(segments);
    await Deno.writeTextFile(`${artifacts}/daemon.log`, daemon.log());
  }
}

/**
 * What stays by design and ends with the node: the bridge and the chains that all pods share, the cgroups that the tests
 * made, the monitors' cgroup, and the daemon's two shared mounts (containers outlive it).
 */
function isNotOfTheNode(line: string): boolean {
  return ![
    /^link: skiff-test0$/,
    /^packet filter rule: nat :CNI-HOSTPORT-(DNAT|MASQ|SETMARK) -$/,
    /^packet filter rule: nat -A (PREROUTING|OUTPUT|POSTROUTING) .* -j CNI-HOSTPORT-(DNAT|MASQ)$/,
    /^packet filter rule: nat -A CNI-HOSTPORT-(MASQ|SETMARK) .* 0x2000\/0x2000( -j MASQUERADE)?$/,
    /^packet filter rule: (nat|filter) :[A-Z]+ ACCEPT$/,
    /^cgroup: \S+\/skiff-t-\w+\/(skiff|critest|monitors(\/monitors)?)$/,
    /^mount: \S+\/skiff-state\/(layers|rootfs) /,
  ].some((pattern) => pattern.test(line));
}

async function artifactsFolder({ runtime, websocket }: CritestOptions): Promise<string> {
  const folder = `${tools.checkout}/dist/critest/${onSkiff ? "" : "containerd-"}${runtime}${
    websocket ? "-websocket" : ""
  }`;
  await Deno.remove(folder, { recursive: true }).catch(() => undefined);
  await Deno.mkdir(folder, { recursive: true });
  return folder;
}

function daemonFor(node: TestNode, runtime: RuntimeName): Daemon {
  if (!onSkiff) return new Peer(node, { mirrored: registryHosts, runtimes, defaultRuntime: runtime });
  const mirrors = [{ url: node.registry.url }];
  return new Instance(node, {
    config: {
      runtimes: Object.fromEntries(Object.entries(runtimes).map(([name, path]) => [name, { path }])),
      defaultRuntime: runtime,
      images: { registries: Object.fromEntries(registryHosts.map((host) => [host, { mirrors }])) },
    },
  });
}

async function runSuite(daemon: Daemon, options: CritestOptions, artifacts: string): Promise<void> {
  const { node } = daemon;
  // Logs, volumes and profiles that critest makes go with the node.
  const temporary = `${node.dir}/tmp`;
  await Deno.mkdir(temporary);
  const child = node.holder.spawn(tools.critest, argumentsFor(daemon, options, artifacts), {
    cgroup: "critest",
    log: `${artifacts}/critest.log`,
    env: { TMPDIR: temporary },
  });
  const { code } = await child.status;
  const report = `${artifacts}/junit.xml`;
  // A whole run that fails still writes its report; without one critest did not get as far.
  for (let round = 0; round < 10; round++) {
    if (await Deno.stat(report).then(() => true, () => false)) return;
    await sleep(100);
  }
  const { stdout } = await tryRun("tail", ["-n", "40", `${artifacts}/critest.log`]);
  throw new Error(`critest ended with ${code} and without a report:\n${stdout}`);
}

function argumentsFor(daemon: Daemon, { websocket, seed, focus }: CritestOptions, artifacts: string): string[] {
  const endpoint = `unix://${daemon.socket}`;
  const config = `${daemon.node.dir}/critest.yaml`;
  Deno.writeTextFileSync(config, `runtime-endpoint: ${endpoint}\nimage-endpoint: ${endpoint}\n`);
  return [
    `-config=${config}`,
    `-runtime-endpoint=${endpoint}`,
    `-image-endpoint=${endpoint}`,
    ...websocket ? ["exec", "attach", "portforward"].map((kind) => `-websocket-${kind}`) : [],
    "-ginkgo.no-color",
    `-ginkgo.timeout=${LIMIT}`,
    `-ginkgo.seed=${seed}`,
    `-ginkgo.skip=${digestSpec}`,
    ...focus ? [`-ginkgo.focus=${focus}`] : [],
    `-ginkgo.junit-report=${artifacts}/junit.xml`,
  ];
}
