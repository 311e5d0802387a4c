/**
 * Ways to break the daemon: changes of its source, built into a binary that takes the place of the one that the cluster runs.
 * Each is what a mistake in the code could be, and no more than a line or two.
 */
import { run } from "../support/command.ts";

interface Change {
  /** Below src/. */
  file: string;
  /** Stands there exactly once. */
  from: string;
  to: string;
}

const root = new URL("../..", import.meta.url).pathname;

/** By the name that says what is missing. */
export const daemonBreakages: Record<string, Change[]> = {
  "host ports": [{
    file: "network/runtime_config.ts",
    from: "mapping.hostPort !== 0)",
    to: "mapping.hostPort < 0)",
  }],
  "the right port": [{ file: "streaming/forward.ts", from: "{ family, port }", to: "{ family, port: port ^ 1 }" }],
  "pull secrets": [{
    file: "cri/image/pull_image.ts",
    from: "const auth = registryAuth(request.auth);",
    to: "const auth = registryAuth(undefined);",
  }],
  "joined pulls": [{
    file: "images/joined_pulls.ts",
    from: "const running = this.#running.get(key) ?? this.#start(key, work);",
    to: "const running = this.#start(key + crypto.randomUUID(), work);",
  }, {
    file: "images/download.ts",
    from: "this.#running.set(diffId, promise);",
    to: "void [diffId, promise];",
  }],
  "reasons of a failed pull": [{
    file: "images/registry/failure.ts",
    from: 'message: `${prefix}cannot fetch ${what}: ${text(last.error)}${failure?.advice ?? ""}${before}`',
    to: "message: `cannot fetch ${what}${before}`",
  }],
  "reasons of a failed exec": [{
    file: "streaming/exec.ts",
    from: "command in container: ${messageOf(error)}`",
    to: "command${messageOf(error).slice(0, 0)}`",
  }],
  "image digests": [{
    file: "cri/runtime/container_status.ts",
    from: "imageRef: record.imageRef,",
    to: "imageRef: record.imageId,",
  }],
  "pinned images": [{ file: "cri/image/image_shape.ts", from: "pinned: record.pinned,", to: "pinned: false," }],
  "images in use": [{
    file: "images/images.ts",
    from: "if (users.length > 0) {",
    to: "if (users.length < 0) {",
  }, {
    file: "images/images.ts",
    from: "// Who removes an image wants space.",
    to: "for (const user of users) await this.#rootfs.unmount(user);",
  }],
  "reopened logs": [{
    file: "pods/pods.ts",
    from: 'await this.#context.monitor.reopenLog(bundle, logPath === "" ? undefined : logPath);',
    to: "void [bundle, logPath];",
  }],
  figures: [
    {
      file: "cri/runtime/stats_shape.ts",
      from: "usageNanoCores: value(nanoCores)",
      to: "usageNanoCores: value(nanoCores && 1n)",
    },
    {
      file: "cri/runtime/stats_shape.ts",
      from: "workingSetBytes: value(usage.memoryWorkingSetBytes)",
      to: "workingSetBytes: value(1n)",
    },
    {
      file: "cri/runtime/stats_shape.ts",
      from: "usedBytes: value(BigInt(writable.usedBytes))",
      to: "usedBytes: value(1n)",
    },
    { file: "cri/runtime/stats_shape.ts", from: "rxBytes: value(usage.rxBytes)", to: "rxBytes: value(1n)" },
    {
      file: "cri/runtime/pod_sandbox_stats.ts",
      from: "processCount: value(usage.pids)",
      to: "processCount: value(1n)",
    },
    { file: "cri/image/image_fs_info.ts", from: "value: BigInt(usage.usedBytes)", to: "value: 1n" },
    {
      file: "cri/runtime/list_pod_sandbox_metrics.ts",
      from: "new Encoded(await metrics.entries())",
      to: "(await metrics.entries(), new Encoded([]))",
    },
    {
      file: "cri/runtime/stream_pod_sandbox_metrics.ts",
      from: "await metrics.entries()",
      to: "(await metrics.entries()).slice(0, 0)",
    },
  ],
  "known images": [{
    file: "cri/image/image_status.ts",
    from: "const record = images.resolve(name);",
    to: "const record = images.resolve(`${name}-`);",
  }],
  "the network's condition": [{
    file: "cri/runtime/status.ts",
    from: "status: network.ready,",
    to: "status: true,",
  }],
  events: [{
    file: "cri/runtime/get_container_events.ts",
    from: "of pods.events(signal)) {",
    to: "of pods.events(signal)) {\n      if (kind !== undefined) continue;",
  }],
  stops: [{
    file: "pods/sandbox_stop.ts",
    from: "return sandbox.stopping ??= stop(context, sandbox)",
    to:
      'if (sandbox.record) throw new Error("it does not stop");\n  return sandbox.stopping ??= stop(context, sandbox)',
  }],
  "the runtime's facts": [
    { file: "cri/runtime/version.ts", from: 'runtimeName: "skiff"', to: 'runtimeName: "skiffle"' },
    { file: "cri/runtime/version.ts", from: "runtimeVersion: version,", to: 'runtimeVersion: "new",' },
    {
      file: "cri/runtime/status.ts",
      from: "recursiveReadOnlyMounts: has?.recursiveReadOnlyMounts ?? false,",
      to: "recursiveReadOnlyMounts: false,",
    },
  ],
  "the runtime's condition": [{
    file: "cri/runtime/status.ts",
    from: 'status: problem === "",',
    to: "status: false,",
  }],
  streams: [{
    file: "cri/runtime/stream_containers.ts",
    from: "for (const chunk of chunks([...containerEntries(pods, filter)])) yield new Encoded(chunk);",
    to:
      "for (const chunk of chunks([...containerEntries(pods, filter)])) throw new RpcError(Code.UNIMPLEMENTED, String(chunk.length));",
  }, {
    file: "cri/runtime/stream_containers.ts",
    from: "export const streamContainers",
    to: 'import { Code, RpcError } from "../../rpc/status.ts";\n\nexport const streamContainers',
  }],
  "freed addresses": [{
    file: "network/list_run.ts",
    from: "for (const plugin of list.plugins.toReversed()) {",
    to: "for (const plugin of list.plugins.slice(0, 0)) {",
  }],
  "what ran before": [{
    file: "pods/recover.ts",
    from: "if (container.record.bootId !== context.bootId) noteReboot",
    to: "if (container.record.bootId) noteReboot",
  }],
};

/** Those that are built and tried together, as none of them gets in the way of what another is for; in this order. */
export const builds: readonly string[][] = [
  [
    "host ports",
    "the right port",
    "pull secrets",
    "reasons of a failed pull",
    "reasons of a failed exec",
    "image digests",
    "pinned images",
    "reopened logs",
    "figures",
  ],
  ["joined pulls", "images in use", "the network's condition", "events"],
  ["known images"],
  ["freed addresses"],
  ["what ran before"],
  ["stops"],
  // These change what the kubelet thinks of the node for good.
  ["the runtime's facts"],
  ["the runtime's condition", "streams"],
];

/** Builds the daemon with these breakages, and puts it at `target`. Throws where the source does not have what is to be changed. */
export async function buildBroken(kinds: string[], target: string): Promise<void> {
  const copy = await Deno.makeTempDir({ prefix: "skiff-broken-source-" });
  try {
    for (const name of ["main.ts", "deno.json", "deno.lock", "src", "proto", "scripts"]) {
      await run("cp", ["-a", `${root}${name}`, copy]);
    }
    await Deno.symlink(`${root}node_modules`, `${copy}/node_modules`);
    for (const { file, from, to } of kinds.flatMap((kind) => daemonBreakages[kind])) {
      const path = `${copy}/src/${file}`;
      const parts = (await Deno.readTextFile(path)).split(from);
      if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
      await Deno.writeTextFile(path, parts.join(to));
    }
    await run(`${copy}/scripts/build`, [], { timeout: 300_000 });
    await Deno.rename(`${copy}/dist/skiff`, target).catch(() => run("cp", [`${copy}/dist/skiff`, target]));
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}
