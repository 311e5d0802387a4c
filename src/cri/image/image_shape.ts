import { Image } from "../../../proto/gen/runtime/v1/api.ts";
import type { ImageRecord } from "../../images/types.ts";
import { entry } from "../list_entry.ts";

/** An annotation of the image's spec, which the CRI leaves free: the type of an OCI artifact. */
const ARTIFACT_TYPE = "skiff/artifact-type";

/** An image as the CRI shows it. */
export function imageShape(record: ImageRecord): Image {
  return {
    id: record.id,
    repoTags: record.repoTags.toSorted(),
    repoDigests: record.repoDigests.toSorted(),
    // The kubelet's client refuses an image of no size, though one without layers may have none.
    size: BigInt(Math.max(1, record.size)),
    ...userOf(record.defaults.user),
    spec: {
      image: record.id,
      annotations: record.artifact ? { [ARTIFACT_TYPE]: record.artifact.type } : {},
      userSpecifiedImage: "",
      runtimeHandler: "",
      imageRef: "",
    },
    pinned: record.pinned,
  };
}

// Records are replaced, never changed: the bytes hold as long as the record does.
const encoded = new WeakMap<ImageRecord, Uint8Array>();

/** The image as an entry of a list reply. */
export function imageEntry(record: ImageRecord): Uint8Array {
  let bytes = encoded.get(record);
  if (!bytes) {
    bytes = entry(Image, imageShape(record));
    encoded.set(record, bytes);
  }
  return bytes;
}

/** The kubelet checks runAsNonRoot by either: a number it understands, or a name that it cannot. */
function userOf(user: string): Pick<Image, "uid" | "username"> {
  const name = user.split(":")[0];
  if (name === "") return { uid: undefined, username: "" };
  return /^[0-9]{1,18}$/.test(name)
    ? { uid: { value: BigInt(name) }, username: "" }
    : { uid: undefined, username: name };
}
