import { object, parseObject } from "../documents.ts";
import { isDigest } from "../digest.ts";
import { identityMismatch } from "./identity.ts";
import type { SignedIdentity, VerifyTask } from "./types.ts";

const SIMPLE = "atomic container signature";
const COSIGN = "cosign container image signature";

/**
 * What a signature says, whose bytes have been verified: nothing else may stand in `critical`, since what is unknown there
 * must not be overlooked. https://github.com/containers/image/blob/main/docs/atomic-signature.md
 * @returns why it does not do for this image, or nothing.
 */
export function payloadMismatch(
  bytes: Uint8Array,
  kind: "simple" | "sigstore",
  identity: SignedIdentity,
  task: Pick<VerifyTask, "reference" | "digests">,
): string | undefined {
  const { digest, reference } = readPayload(bytes, kind);
  if (!task.digests.includes(digest)) return `it is made for another image, ${digest}`;
  return identityMismatch(identity, task.reference, reference);
}

function readPayload(bytes: Uint8Array, kind: "simple" | "sigstore"): { digest: string; reference: string } {
  const payload = parseObject(bytes, "its payload");
  only(payload, ["critical", "optional"], "its payload");
  const critical = object(payload.critical, "critical");
  only(critical, ["type", "image", "identity"], "critical");
  const image = object(critical.image, "critical.image");
  only(image, ["docker-manifest-digest"], "critical.image");
  const identity = object(critical.identity, "critical.identity");
  only(identity, ["docker-reference"], "critical.identity");
  const type = kind === "simple" ? SIMPLE : COSIGN;
  if (critical.type !== type) throw new Error(`its critical.type is not ${JSON.stringify(type)}`);
  const digest = image["docker-manifest-digest"];
  if (!isDigest(digest)) throw new Error("its docker-manifest-digest is not a sha256 digest");
  const reference = identity["docker-reference"];
  if (typeof reference !== "string") throw new Error("its docker-reference is not a text");
  return { digest, reference };
}

function only(value: Record<string, unknown>, keys: string[], what: string): void {
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw new Error(`${what} has the unknown key ${JSON.stringify(unknown.slice(0, 100))}`);
}
