import { isDigest } from "../digest.ts";
import { array, type Descriptor, object, optionalString, parseObject } from "../documents.ts";

/** A signature of cosign: a small blob, and what its annotations say. */
export interface Attachment {
  /** The payload. */
  blob: Descriptor;
  /** Base64. */
  signature: string;
  /** JSON of a transparency log's promise, or "". */
  bundle: string;
  /** PEM of the signer's certificate, and of those between it and an authority, or "". */
  certificate: string;
  chain: string;
}

/** What `cosign sign` and `sigstore` in containers/image write. */
const PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE = "dev.cosignproject.cosign/signature";
const BUNDLE = "dev.sigstore.cosign/bundle";
const CERTIFICATE = "dev.sigstore.cosign/certificate";
const CHAIN = "dev.sigstore.cosign/chain";
const MAX_ATTACHMENTS = 64;
const MAX_PAYLOAD = 1 << 20;

/** The tag under which cosign keeps the signatures of a manifest. */
export function attachmentTag(digest: string): string {
  return `${digest.replace(":", "-")}.sig`;
}

/** The signatures in a manifest of cosign; layers of another kind are left out. */
export function parseAttachments(bytes: Uint8Array): Attachment[] {
  const document = parseObject(bytes, "the signatures' manifest");
  return array(document.layers, "layers", MAX_ATTACHMENTS).flatMap((entry, index) => {
    const { mediaType, digest, size, annotations } = object(entry, `layers[${index}]`);
    if (mediaType !== PAYLOAD_TYPE) return [];
    if (!isDigest(digest) || !Number.isSafeInteger(size) || !((size as number) >= 0)) {
      throw new Error(`layers[${index}] is no descriptor`);
    }
    if ((size as number) > MAX_PAYLOAD) throw new Error(`layers[${index}] is over ${MAX_PAYLOAD} bytes`);
    const notes = object(annotations ?? {}, `layers[${index}].annotations`);
    const signature = optionalString(notes, SIGNATURE) ?? "";
    return [{
      blob: { mediaType, digest, size: size as number },
      signature,
      bundle: optionalString(notes, BUNDLE) ?? "",
      certificate: optionalString(notes, CERTIFICATE) ?? "",
      chain: optionalString(notes, CHAIN) ?? "",
    }];
  });
}
