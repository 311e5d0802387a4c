import type { CreateContainerRequest } from "../../proto/gen/runtime/v1/api.ts";
import { NamespaceMode } from "../../proto/gen/runtime/v1/api.ts";
import { adjust, ADJUSTERS, buildSpec, type SpecInput, stopSignalNumber, validateSpec } from "../oci/mod.ts";
import { Code, RpcError } from "../rpc/status.ts";
import { Container, type Sandbox } from "./catalog.ts";
import { containerFolder, type Context, emit, identify, newId, nowNanoseconds } from "./context.ts";
import { imageUse, mountImageVolumes } from "./image_volumes.ts";
import type { Job } from "./jobs.ts";
import { containerLogPath } from "./log_path.ts";
import { differingFields, requestHash } from "./request_hash.ts";
import { sandboxFacts } from "./sandbox_run.ts";
import type { ContainerRecord } from "./types.ts";
import { giveOutputs, layerIdmap, onNode } from "./user_namespace.ts";

const DEADLINE = 115_000;

/** Creates a container in a ready pod; the ID of the one that is there if the same request comes again. */
export async function createContainer(context: Context, request: CreateContainerRequest): Promise<string> {
  const sandbox = context.catalog.sandbox(request.podSandboxId);
  const config = request.config!;
  const { name, attempt } = config.metadata!;
  const key = JSON.stringify([sandbox.id, name, attempt]);
  const hash = requestHash(config);
  const { metadata } = sandbox.config;
  const subject = `${metadata!.namespace}/${metadata!.name}/${name}`;
  return await context.jobs.run({
    kind: "create-container",
    key: `container:${key}`,
    hash,
    subject,
    deadline: DEADLINE,
  }, async (job) => {
    const existing = context.catalog.containerByKey(key);
    if (existing) {
      if (existing.record.hash === hash) return existing.id;
      throw new RpcError(
        Code.ALREADY_EXISTS,
        `container ${subject} attempt ${attempt} exists as ${existing.id}, and the requests differ in ${
          differingFields(existing.config, config).join(", ")
        }: remove it or ask for another attempt`,
      );
    }
    const id = newId();
    job.report.objectId = id;
    await make(context, job, sandbox, id, key, hash, request);
    return id;
  });
}

async function make(
  context: Context,
  job: Job,
  sandbox: Sandbox,
  id: string,
  key: string,
  hash: string,
  request: CreateContainerRequest,
): Promise<void> {
  const { kernel, images, store, catalog, monitor } = context;
  const config = request.config!;
  assertReady(sandbox);
  const image = images.resolve(config.image!.image);
  if (!image) {
    throw new RpcError(Code.NOT_FOUND, `image ${JSON.stringify(config.image!.image)}: not on this node; pull it first`);
  }

  const bundle = containerFolder(context, id);
  const { runtime } = sandbox.record;
  const placement = context.cgroups.place(sandbox.record.cgroupParent, id);
  await job.step("folder", () => {
    job.undo("folder", { path: bundle });
    kernel.mkdirs(bundle, 0o700);
  });
  const rootfs = await job.step("rootfs", () => {
    job.undo("rootfs", { id });
    const { userns } = sandbox.record;
    const readonly = config.linux?.securityContext?.readonlyRootfs ?? false;
    const use = imageUse(sandbox, config.image!);
    return images.mountRootfs({ id, image, use, readonly, idmap: userns && layerIdmap(userns) });
  });
  const imageVolumes = await job.step("volumes", () => mountImageVolumes(context, job, sandbox, id, config));
  const features = await context.runtime.features(runtime.path);
  const { spec, user, notes } = await job.step("spec", () => {
    const input: SpecInput = {
      id,
      config,
      sandbox: sandboxFacts(sandbox),
      image: image.defaults,
      rootfs: rootfs.root,
      placement,
      node: context.node,
      runtime,
      features,
      imageVolumes: new Map(imageVolumes.map(({ index, path }) => [index, path])),
      targetPidns: targetPidNamespace(context, sandbox, request),
    };
    const built = buildSpec(input, { kernel, config: context.config });
    validateSpec(built.spec);
    adjust(built.spec, input, ADJUSTERS);
    validateSpec(built.spec);
    kernel.writeFile(`${bundle}/config.json`, JSON.stringify(built.spec), 0o600);
    return built;
  });
  for (const note of notes) {
    context.logger.info("container option without effect on this node", { container: id, note });
  }

  const logPath = containerLogPath(kernel, sandbox.config, config);
  const created = await job.programStep("runtime create", () => {
    job.undo("cgroup", { placement });
    job.undo("container", { id, handler: runtime, bundle, placement });
    job.waitingFor(`${runtime.name} create`);
    return monitor.create({
      handler: runtime,
      id,
      bundle,
      logPath,
      terminal: config.tty,
      stdin: config.stdin,
      leaveStdinOpen: config.stdin && !config.stdinOnce,
      conmonCgroup: context.monitorCgroup,
      signal: job.signal,
    });
  });
  if (sandbox.record.userns) giveOutputs(kernel, created.pid, onNode(user, sandbox.record.userns));

  const record: ContainerRecord = {
    schema: 1,
    id,
    sandboxId: sandbox.id,
    key,
    hash,
    state: "created",
    bootId: context.bootId,
    imageId: image.id,
    imageRef: image.repoDigests[0] ?? image.id,
    createdAt: String(nowNanoseconds()),
    startedAt: "",
    finishedAt: "",
    exitCode: 0,
    reason: "",
    message: "",
    runtime,
    placement,
    process: identify(created.pid, id),
    monitor: identify(created.conmonPid, id),
    bundle,
    logPath,
    upper: rootfs.upper,
    user,
    ...(imageVolumes.length > 0 && { imageVolumes }),
    stopSignal: stopSignalNumber(config.stopSignal, image.defaults.stopSignal),
    notes,
  };
  await job.step("store", () => {
    assertReady(sandbox);
    const container = new Container(record, config);
    container.process = spec.process;
    job.commit(() => store.putContainer(record, config));
    catalog.addContainer(container);
    emit(context, "created", id, sandbox.id);
  });
}

/** A stop may come at any moment of a create: what it has missed must not be left running in a pod that is gone. */
function assertReady(sandbox: Sandbox): void {
  if (sandbox.record.state === "ready" && !sandbox.stopping && !sandbox.removing) return;
  throw new RpcError(
    Code.FAILED_PRECONDITION,
    `pod sandbox ${sandbox.id}: it is not ready any more, so no container can be made in it`,
  );
}

function targetPidNamespace(context: Context, sandbox: Sandbox, request: CreateContainerRequest): string | undefined {
  const options = request.config!.linux?.securityContext?.namespaceOptions;
  if (options?.pid !== NamespaceMode.TARGET) return undefined;
  const target = context.catalog.container(options.targetId);
  if (target.record.sandboxId !== sandbox.id) {
    throw new RpcError(
      Code.INVALID_ARGUMENT,
      `namespace_options.target_id ${options.targetId}: that container is in another pod`,
    );
  }
  if (target.record.state !== "running") {
    throw new RpcError(
      Code.FAILED_PRECONDITION,
      `namespace_options.target_id ${options.targetId}: that container is not running`,
    );
  }
  return `/proc/${target.record.process.pid}/ns/pid`;
}
