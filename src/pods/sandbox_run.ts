import type { PodNetwork } from "../network/types.ts";
import type { SandboxFacts } from "../oci/types.ts";
import type { PodSandboxConfig, RunPodSandboxRequest } from "../../proto/gen/runtime/v1/api.ts";
import { pinNamespaces, pinUserNamespaces } from "../network/mod.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { Sandbox } from "./catalog.ts";
import { type Context, emit, newId, nowNanoseconds, runtimeHandler, sandboxFolder } from "./context.ts";
import type { Job } from "./jobs.ts";
import { makePodCgroup } from "./pod_cgroup.ts";
import { startPause } from "./pause.ts";
import { differingFields, requestHash } from "./request_hash.ts";
import { hosts, mountShm, onHostIpc, onHostNetwork, resolvConf, rootOf, sharesPidNamespace } from "./sandbox_files.ts";
import type { SandboxRecord } from "./types.ts";
import { admitPod, mapsOf, splitSysctls, wantedUserNamespace } from "./user_namespace.ts";

/** The kubelet gives this call twice its runtimeRequestTimeout of two minutes. */
const DEADLINE = 230_000;

/** Runs a pod sandbox; the ID of the one that runs already if the same request comes again. */
export function runPodSandbox(context: Context, request: RunPodSandboxRequest): Promise<string> {
  const config = request.config!;
  const { namespace, name, uid, attempt } = config.metadata!;
  const key = JSON.stringify([namespace, name, uid, attempt]);
  const hash = requestHash(request);
  const subject = `${namespace}/${name}`;
  return context.jobs.run(
    { kind: "run-pod-sandbox", key: `pod:${key}`, hash, subject, deadline: DEADLINE },
    async (job) => {
      const existing = context.catalog.sandboxByKey(key);
      if (existing) return existingId(existing, hash, config, subject);
      const id = newId();
      job.report.objectId = id;
      const sandbox = await make(context, job, id, key, hash, request);
      return sandbox.id;
    },
  );
}

function existingId(existing: Sandbox, hash: string, config: PodSandboxConfig, subject: string): string {
  if (existing.record.hash === hash && existing.record.state === "ready") return existing.id;
  const why = existing.record.hash === hash
    ? "it is not ready any more"
    : `the requests differ in ${differingFields(existing.config, config).join(", ") || "the runtime handler"}`;
  throw new RpcError(
    Code.ALREADY_EXISTS,
    `pod ${subject} attempt ${
      config.metadata!.attempt
    } exists as ${existing.id}, and ${why}: remove it or ask for another attempt`,
  );
}

async function make(
  context: Context,
  job: Job,
  id: string,
  key: string,
  hash: string,
  request: RunPodSandboxRequest,
): Promise<Sandbox> {
  const { kernel, store, catalog } = context;
  const config = request.config!;
  const folder = sandboxFolder(context, id);
  const record: SandboxRecord = {
    schema: 1,
    id,
    key,
    hash,
    state: "ready",
    createdAt: String(nowNanoseconds()),
    bootId: context.bootId,
    runtimeHandler: request.runtimeHandler,
    runtime: runtimeHandler(context, request.runtimeHandler),
    hostname: config.hostname ||
      (onHostNetwork(config) ? kernel.readText("/proc/sys/kernel/hostname").trim() : id.slice(0, 12)),
    folder,
    cgroupParent: context.cgroups.parentOf(config.linux?.cgroupParent ?? ""),
  };

  record.userns = await wantedUserNamespace(context, record, config);

  await job.step("folder", () => {
    job.undo("folder", { path: folder });
    kernel.mkdirs(folder, 0o700);
    if (record.userns) admitPod(context, job, record);
    if (config.logDirectory) kernel.mkdirs(config.logDirectory, 0o755);
  });
  await job.step("cgroup", () => makePodCgroup(context, job, record));
  await job.step("namespaces", () => pinAll(context, job, record, config));
  if (record.netns) await job.programStep("network", () => attach(context, job, record, config));
  await job.step("files", () => {
    const owner = rootOf(record.userns);
    const write = (name: string, text: string) => {
      kernel.writeFile(`${folder}/${name}`, text, 0o644);
      kernel.chown(`${folder}/${name}`, owner.uid, owner.gid);
    };
    write("resolv.conf", resolvConf(kernel, config));
    write("hosts", hosts(kernel, config, record.hostname, record.attachment?.ips ?? []));
    write("hostname", record.hostname + "\n");
    if (onHostIpc(config)) return;
    record.shm = `${folder}/shm`;
    job.undo("mount", { path: record.shm });
    mountShm(kernel, record.shm, owner);
  });
  if (sharesPidNamespace(config)) await job.programStep("pause", () => startPause(context, job, record, config));

  const sandbox = new Sandbox(record, config);
  await job.step("store", async () => {
    job.commit(() => store.putSandbox(record, config));
    catalog.addSandbox(sandbox);
    emit(context, "created", id, id);
    emit(context, "started", id, id);
    // An address that was given out must be known after a power cut, or it leaks.
    if (record.attachment) await store.durable();
  });
  return sandbox;
}

/** Network, IPC and UTS namespaces, pinned under /run/netns (where CNI's users look) and in our own folder. */
function pinAll(context: Context, job: Job, record: SandboxRecord, config: PodSandboxConfig): void {
  const namespaces = `${context.config.state}/ns`;
  context.kernel.mkdirs(namespaces, 0o700);
  if (!onHostNetwork(config)) {
    record.netns = `/run/netns/skiff-${record.id}`;
    record.utsns = `${namespaces}/${record.id}-uts`;
  }
  if (!onHostIpc(config)) record.ipcns = `${namespaces}/${record.id}-ipc`;
  const { userns } = record;
  for (const path of [record.netns, record.utsns, record.ipcns, userns?.path]) {
    if (path) job.undo("namespace", { path });
  }
  const paths = { net: record.netns, ipc: record.ipcns, uts: record.utsns };
  const { ours, theirs } = splitSysctls(config.linux?.sysctls ?? {}, record, context.node.kernelVersion);
  const options = { hostname: record.utsns ? record.hostname : undefined, sysctls: ours };
  if (Object.keys(theirs).length > 0) record.sysctls = theirs;
  if (userns) pinUserNamespaces(context.kernel, { ...paths, user: userns.path }, mapsOf(userns), options);
  else pinNamespaces(context.kernel, paths, options);
}

async function attach(context: Context, job: Job, record: SandboxRecord, config: PodSandboxConfig): Promise<void> {
  const pod = podNetwork(record, config);
  job.undo("network", { pod });
  job.waitingFor("the CNI configuration");
  record.attachment = await context.network.add(pod, {
    signal: job.signal,
    onStep: (plugin) => job.waitingFor(`CNI plugin ${plugin}`),
  });
}

/** The pod, as CNI is told of it: at ADD and again at DEL. */
export function podNetwork(record: SandboxRecord, config: PodSandboxConfig): PodNetwork {
  const { namespace, name, uid } = config.metadata!;
  return {
    sandboxId: record.id,
    netns: record.netns!,
    namespace,
    name,
    uid,
    portMappings: config.portMappings,
    annotations: config.annotations,
    cgroupParent: record.cgroupParent,
  };
}

/** What a container of this pod needs to know of it. */
export function sandboxFacts(sandbox: Sandbox): SandboxFacts {
  const { record, config } = sandbox;
  return {
    id: record.id,
    netns: record.netns,
    ipcns: record.ipcns,
    utsns: record.utsns,
    pidns: record.pause && `/proc/${record.pause.process.pid}/ns/pid`,
    hostname: record.hostname,
    resolvConf: `${record.folder}/resolv.conf`,
    hosts: `${record.folder}/hosts`,
    hostnameFile: `${record.folder}/hostname`,
    shm: record.shm,
    cgroupParent: record.cgroupParent,
    userns: record.userns,
    sysctls: record.sysctls,
    privileged: config.linux?.securityContext?.privileged ?? false,
    config,
  };
}
