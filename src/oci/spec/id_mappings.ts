import type { IDMapping as MappingRequest } from "../../../proto/gen/runtime/v1/api.ts";
import { invalid } from "../refusal.ts";
import type { IdMapping } from "../spec.ts";

/** The kernel's own limit on the lines of a map. */
const MAPPINGS_MAX = 340;
const IDS = 2 ** 32 - 1;

/** Mappings of a request as config.json has them. RpcError INVALID_ARGUMENT for what is not a range of IDs. */
export function idMappings(field: string, requested: MappingRequest[]): IdMapping[] {
  if (requested.length > MAPPINGS_MAX) {
    throw invalid(field, `${requested.length} mappings; the kernel takes ${MAPPINGS_MAX}`);
  }
  return requested.map(({ containerId, hostId, length }) => {
    if (length < 1 || containerId + length > IDS || hostId + length > IDS) {
      throw invalid(field, `${containerId}:${hostId}:${length} is not a range of IDs`);
    }
    return { containerID: containerId, hostID: hostId, size: length };
  });
}

export function sameMappings(left: IdMapping[], right: IdMapping[]): boolean {
  return left.length === right.length &&
    left.every(({ containerID, hostID, size }, index) => {
      const other = right[index];
      return containerID === other.containerID && hostID === other.hostID && size === other.size;
    });
}
