/** What a policy asks for, and what came of it. Formats: containers-policy.json(5), containers-registries.d(5). */

/** Where a policy has a key: a file on the node, or the key itself in base64. */
export type KeySource = { path: string } | { data: string };

/** Which name a signature must have been made for. */
export type SignedIdentity =
  | { type: "matchExact" }
  | { type: "matchRepoDigestOrExact" }
  | { type: "matchRepository" }
  | { type: "exactReference"; reference: string }
  | { type: "exactRepository"; repository: string }
  | { type: "remapIdentity"; prefix: string; signedPrefix: string };

export type Requirement =
  & {
    /** Line of the policy file. */
    line: number;
  }
  & (
    | { type: "insecureAcceptAnything" }
    | { type: "reject" }
    | { type: "signedBy"; keys: KeySource[]; identity: SignedIdentity }
    | {
      type: "sigstoreSigned";
      keys: KeySource[];
      /** Keys of a transparency log whose promise a signature must carry; empty: none is asked for. */
      logKeys: KeySource[];
      /** In place of keys: certificates of this authority for this identity. */
      fulcio?: { ca: KeySource; oidcIssuer: string; subjectEmail: string };
      /** A part of the rule that cannot be checked here: the rule then refuses every image. */
      unsupported?: string;
      identity: SignedIdentity;
    }
  );

export interface Policy {
  /** The file; "" when there is none and everything is accepted. */
  file: string;
  default: Requirement[];
  /** Scopes of the docker transport: registries, namespaces, repositories, images, `*.domain`, and "" for all. */
  docker: Map<string, Requirement[]>;
}

/** The requirements that hold for a name. */
export interface Rule {
  file: string;
  /** As it stands in the policy; "default" for its last resort. */
  scope: string;
  requirements: Requirement[];
}

/** A signature as it was found, in base64. */
export type Signature =
  /** An OpenPGP message with the payload in it. */
  | { kind: "simple"; from: string; message: string }
  | {
    kind: "sigstore";
    from: string;
    payload: string;
    /** Over the payload. */
    signature: string;
    /** What a transparency log said about it (JSON, as it is), or "". */
    bundle: string;
    /** The signer's, and those between it and an authority (PEM, as it is), or "". Missing in what was kept long ago. */
    certificate?: string;
    chain?: string;
  };

/** A requirement with its keys' bytes in base64. */
export interface SignatureTask {
  type: "signedBy" | "sigstoreSigned";
  keys: { name: string; data: string }[];
  logKeys: { name: string; data: string }[];
  fulcio?: { ca: { name: string; data: string }; oidcIssuer: string; subjectEmail: string };
  identity: SignedIdentity;
}

/** What `skiff __verify` reads on its standard input. */
export interface VerifyTask {
  /** The name under which the image is wanted, normalised. */
  reference: string;
  /** Of the image's manifest, and of the index that led to it. */
  digests: string[];
  requirements: SignatureTask[];
  signatures: Signature[];
}

export interface SignatureFinding {
  from: string;
  accepted: boolean;
  /** Why, in words. */
  reason: string;
}

export interface RequirementFinding {
  type: Requirement["type"];
  line: number;
  satisfied: boolean;
  reason: string;
  signatures: SignatureFinding[];
}

/** What `skiff __verify` writes: one finding per requirement, in order. */
export type VerifyAnswer = Pick<RequirementFinding, "satisfied" | "reason" | "signatures">[];

export interface Verdict {
  allowed: boolean;
  reference: string;
  /** The policy file; "" when there is none. */
  file: string;
  scope: string;
  requirements: RequirementFinding[];
}
