import { ContainerState, type FilesystemUsage, PodSandboxState } from "../../proto/gen/runtime/v1/api.ts";
import type { RunningPull } from "../../proto/gen/skiff/v1/admin.ts";
import { Code, RpcError } from "../rpc/status.ts";
import type { Daemon } from "./client.ts";
import { age, humanSize } from "./format.ts";
import { printTable } from "./print.ts";
import type { Terminal } from "./terminal.ts";

/** What the daemon has to do and to keep. */
export interface Work {
  pods: { ready: number; all: number };
  containers: { running: number; all: number };
  pulls: RunningPull[];
  storage: { images: FilesystemUsage[]; containers: FilesystemUsage[] };
}

export async function readWork({ runtime, images, admin }: Daemon): Promise<Work> {
  const [{ items }, { containers }, { pulls }, usage] = await Promise.all([
    ifAnswered(runtime.listPodSandbox({ filter: undefined }), { items: [] }),
    ifAnswered(runtime.listContainers({ filter: undefined }), { containers: [] }),
    ifAnswered(admin.listPulls({}), { pulls: [] }),
    ifAnswered(images.imageFsInfo({}), { imageFilesystems: [], containerFilesystems: [] }),
  ]);
  return {
    pods: { ready: items.filter(({ state }) => state === PodSandboxState.SANDBOX_READY).length, all: items.length },
    containers: {
      running: containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING).length,
      all: containers.length,
    },
    pulls,
    storage: { images: usage.imageFilesystems, containers: usage.containerFilesystems },
  };
}

/** A daemon of an older version than the command does not know every call. */
async function ifAnswered<T>(call: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof RpcError && error.code === Code.UNIMPLEMENTED) return otherwise;
    throw error;
  }
}

export function showWork(terminal: Terminal, { pods, containers, pulls, storage }: Work): void {
  terminal.out(
    `\npods: ${pods.ready} ready of ${pods.all}; containers: ${containers.running} running of ${containers.all}\n`,
  );
  for (const [what, usages] of [["images", storage.images], ["writable layers", storage.containers]] as const) {
    for (const { fsId, usedBytes, inodesUsed } of usages) {
      const where = fsId ? ` in ${fsId.mountpoint}` : "";
      terminal.out(`${what}: ${humanSize(usedBytes?.value ?? 0n)}, ${inodesUsed?.value ?? 0n} inodes${where}\n`);
    }
  }
  if (pulls.length === 0) return;
  terminal.out("\n");
  printTable(terminal, ["pull", "phase", "bytes", "layers", "rate", "since"], pulls.map(row));
}

function row(pull: RunningPull): string[] {
  const { image, phase, bytesDone, bytesTotal, layersDone, layersTotal, bytesPerSecond, startedAt } = pull;
  const bytes = bytesTotal === 0n ? "-" : `${humanSize(bytesDone)}/${humanSize(bytesTotal)}`;
  const layers = layersTotal === 0 ? "-" : `${layersDone}/${layersTotal}`;
  return [image, phase, bytes, layers, `${humanSize(bytesPerSecond)}/s`, age(startedAt)];
}
