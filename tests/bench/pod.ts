/** The calls of a pod's life, in rounds that take turns. */
import type { Daemon } from "../support/daemon.ts";
import { Workbench } from "../support/pods.ts";
import { type Figures, sideOf } from "./figures.ts";

async function life(bench: Workbench, figures: Figures): Promise<void> {
  const side = sideOf(bench.daemon);
  const { client } = bench;
  const began = performance.now();
  const sandbox = await figures.time("RunPodSandbox", side, () => bench.sandbox());
  const container = await figures.time("CreateContainer", side, () => bench.create(sandbox));
  const created = figures.last("CreateContainer", side);
  await figures.time("StartContainer", side, () => client.startContainer({ containerId: container.id }));
  figures.add("CreateContainer + StartContainer", side, created + figures.last("StartContainer", side));
  figures.add("pod up (the three above)", side, performance.now() - began);
  const exec = performance.now();
  await figures.time("ExecSync(true)", side, () => client.execSync({ containerId: container.id, cmd: ["true"] }));
  const execTook = performance.now() - exec;
  await figures.time("StopContainer", side, () => client.stopContainer({ containerId: container.id, timeout: 0n }));
  await figures.time("RemoveContainer", side, () => client.removeContainer({ containerId: container.id }));
  await figures.time("StopPodSandbox", side, () => client.stopPodSandbox({ podSandboxId: sandbox.id }));
  await figures.time("RemovePodSandbox", side, () => client.removePodSandbox({ podSandboxId: sandbox.id }));
  figures.add("whole life without exec", side, performance.now() - began - execTook);
}

export async function benchPods(daemons: Daemon[], figures: Figures, rounds: number): Promise<void> {
  for (const daemon of daemons) {
    const bench = new Workbench(daemon);
    await bench.pull();
    // The first pod makes bridge, mounts and caches.
    const container = await bench.run();
    await bench.remove(container.sandbox.id);
  }
  for (let round = 0; round < rounds; round++) {
    for (const daemon of round % 2 ? daemons.toReversed() : daemons) {
      const bench = new Workbench(daemon);
      for (let number = 0; number < 4; number++) await life(bench, figures);
      for (let call = 0; call < 100; call++) {
        await figures.time("Version", sideOf(daemon), () => daemon.client.version({}));
      }
    }
  }
  await benchLists(daemons, figures, rounds);
}

/** 50 containers in 5 pods, five of them running. */
async function benchLists(daemons: Daemon[], figures: Figures, rounds: number): Promise<void> {
  const benches = daemons.map((daemon) => new Workbench(daemon));
  try {
    for (const bench of benches) {
      for (let pod = 0; pod < 5; pod++) {
        const { sandbox } = await bench.run();
        for (let number = 1; number < 10; number++) await bench.create(sandbox, { metadata: { name: `c${number}` } });
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const { daemon, client } of round % 2 ? benches.toReversed() : benches) {
        for (let call = 0; call < 50; call++) {
          const { containers } = await figures.time(
            "ListContainers(50)",
            sideOf(daemon),
            () => client.listContainers({}),
          );
          if (containers.length !== 50) throw new Error(`${daemon.kind} lists ${containers.length} containers`);
        }
      }
    }
  } finally {
    for (const bench of benches) await bench[Symbol.asyncDispose]();
  }
}
