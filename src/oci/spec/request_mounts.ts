import { type Mount as MountRequest, MountPropagation } from "../../../proto/gen/runtime/v1/api.ts";
import { Errno, type MountInfo } from "../../sys/mod.ts";
import { failedPrecondition, invalid, quote } from "../refusal.ts";
import type { Mount } from "../spec.ts";
import { resolveHostPath } from "./host_paths.ts";
import { idMappings } from "./id_mappings.ts";
import { mountOf, type Propagation, propagationOf, readMountTable } from "./mount_table.ts";
import { absolutePath, isWithin } from "./paths.ts";
import type { Section } from "./section.ts";

export const MOUNTS_MAX = 4096;

const MOUNT_OPTIONS: ReadonlySet<string> = new Set(["noexec", "nodev", "nosuid"]);

/** Bind mounts of the request, in its order, and the propagation that the root needs so that theirs can work. */
export function requestMounts(section: Section): { mounts: Mount[]; rootfsPropagation?: string } {
  const requests = section.input.config.mounts;
  if (requests.length > MOUNTS_MAX) {
    throw invalid("mounts", `${requests.length} mounts; at most ${MOUNTS_MAX} are taken`);
  }
  if (section.input.node.selinux && requests.some(({ selinuxRelabel }) => selinuxRelabel)) {
    section.notes.push("selinux_relabel of mounts has no effect: the files on the node keep their labels");
  }
  const propagations = new Propagations(section);
  const mounts = requests.map((request, index) =>
    request.image ? imageMount(section, request, index) : bindMount(section, request, propagations)
  );
  const duplicate = mounts.find((mount, index) =>
    mounts.findIndex(({ destination }) => destination === mount.destination) !== index
  );
  if (duplicate) throw invalid("mounts", `two of them have the container path ${quote(duplicate.destination)}`);
  return { mounts, rootfsPropagation: propagations.ofRoot };
}

function bindMount(section: Section, request: MountRequest, propagations: Propagations): Mount {
  const { field, destination } = placeOf(request);
  const mappings = mountMappings(section, field, request);
  const source = hostPath(section, field, request.hostPath);
  return {
    destination,
    type: "bind",
    source,
    options: [
      "rbind",
      propagations.option(field, request, source),
      access(section, field, request),
      ...mountOptions(field, request),
    ],
    ...mappings,
  };
}

/** The image is mounted on the node already, with the pod's IDs: mappings of the request would map them twice. */
function imageMount({ input }: Section, request: MountRequest, index: number): Mount {
  const { field, destination } = placeOf(request);
  const source = input.imageVolumes?.get(index);
  if (source === undefined) throw invalid(field, "its image is not mounted");
  const options = ["rbind", "rprivate", "ro", "nosuid", "nodev", ...mountOptions(field, request)];
  return { destination, type: "bind", source, options: [...new Set(options)] };
}

function placeOf({ containerPath }: MountRequest): { field: string; destination: string } {
  const field = `mount ${quote(containerPath)}`;
  const destination = absolutePath("container_path", containerPath);
  if (destination === "/") throw invalid(field, "the root of the container cannot be mounted over");
  return { field, destination };
}

function mountMappings(
  { input: { features, runtime } }: Section,
  field: string,
  { uidMappings, gidMappings }: MountRequest,
): Pick<Mount, "uidMappings" | "gidMappings"> {
  if (uidMappings.length === 0 && gidMappings.length === 0) return {};
  if (uidMappings.length === 0 || gidMappings.length === 0) {
    throw invalid(field, "uidMappings and gidMappings: both are needed, or none");
  }
  if (!features.idmappedMounts) {
    throw failedPrecondition(
      field,
      `ID mappings of mounts are beyond the runtime ${runtime.name} (${runtime.path}); runc 1.2 and crun 1.8 can do it`,
    );
  }
  return {
    uidMappings: idMappings(`uidMappings of ${field}`, uidMappings),
    gidMappings: idMappings(`gidMappings of ${field}`, gidMappings),
  };
}

/** Both peers make a missing host path as a folder, whatever the CRI says; workloads count on it. */
function hostPath({ kernel }: Section, field: string, requested: string): string {
  const path = absolutePath(`host_path of ${field}`, requested);
  const found = resolveHostPath(kernel, field, path);
  if (found !== undefined) return found;
  try {
    kernel.mkdirs(path, 0o755);
  } catch (error) {
    if (error instanceof Errno) throw invalid(field, `host path ${quote(path)} is not there and cannot be made`, error);
    throw error;
  }
  return resolveHostPath(kernel, field, path) ?? path;
}

function access({ input: { features, runtime } }: Section, field: string, request: MountRequest): string {
  if (!request.recursiveReadOnly) return request.readonly ? "ro" : "rw";
  if (!request.readonly) throw invalid(field, "recursive_read_only needs readonly");
  if (request.propagation !== MountPropagation.PROPAGATION_PRIVATE) {
    throw invalid(field, "recursive_read_only needs private propagation");
  }
  if (!features.recursiveReadOnlyMounts) {
    throw failedPrecondition(
      field,
      `RROUnsupported: recursive_read_only is beyond the runtime ${runtime.name} (${runtime.path})`,
    );
  }
  return "rro";
}

function mountOptions(field: string, request: MountRequest): string[] {
  for (const option of request.mountOptions) {
    if (!MOUNT_OPTIONS.has(option)) {
      throw invalid(field, `mount option ${quote(option)} is none of ${[...MOUNT_OPTIONS].join(", ")}`);
    }
  }
  return [...new Set(request.mountOptions)];
}

/** Reads the mount table once, and only if a mount needs it. */
class Propagations {
  /** The widest that a mount of the request needs. */
  ofRoot: "rslave" | "rshared" | undefined;
  #table: MountInfo[] | undefined;

  constructor(private readonly section: Section) {}

  option(field: string, request: MountRequest, source: string): string {
    const { propagation } = request;
    if (propagation === MountPropagation.PROPAGATION_PRIVATE) {
      return this.#coversOwnMounts(source) ? this.#following(source) : "rprivate";
    }
    const found = this.#propagationOf(source);
    if (propagation === MountPropagation.PROPAGATION_HOST_TO_CONTAINER) {
      if (found === "private") {
        throw invalid(
          field,
          `HostToContainer propagation: the mount that holds ${
            quote(source)
          } is neither shared nor slave; run "mount --make-rshared" on it`,
        );
      }
      this.ofRoot ??= "rslave";
      return "rslave";
    }
    if (propagation === MountPropagation.PROPAGATION_BIDIRECTIONAL) {
      if (found !== "shared") {
        throw invalid(
          field,
          `Bidirectional propagation: the mount that holds ${
            quote(source)
          } is not shared; run "mount --make-rshared" on it`,
        );
      }
      this.ofRoot = "rshared";
      return "rshared";
    }
    throw invalid(field, "its propagation is none of PRIVATE, HOST_TO_CONTAINER, BIDIRECTIONAL");
  }

  /** A private copy of our own root file systems would keep each of them busy until this container ends. */
  #coversOwnMounts(source: string): boolean {
    return isWithin(this.section.input.rootfs, source);
  }

  #following(source: string): string {
    if (this.#propagationOf(source) === "private") return "rprivate";
    this.ofRoot ??= "rslave";
    return "rslave";
  }

  #propagationOf(source: string): Propagation {
    this.#table ??= readMountTable(this.section.kernel);
    return propagationOf(mountOf(this.#table, source));
  }
}
