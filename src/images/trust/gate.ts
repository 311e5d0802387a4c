import { messageOf } from "../../rpc/status.ts";
import type { Kernel } from "../../sys/mod.ts";
import type { ChildPair } from "../child_pair.ts";
import { parseReference, type Reference, repositoryName } from "../reference.ts";
import type { ImageRecord, ImageUse } from "../types.ts";
import { gatherSignatures, isCancelled } from "./gather.ts";
import { refusal } from "./policy_files.ts";
import { SignatureFiles } from "./signature_files.ts";
import { needsSignatures, refusalOf, Trust, type TrustOptions } from "./trust.ts";
import type { Rule, Signature, Verdict } from "./types.ts";

/** Looks at a manifest, by the children that fetched it, before anything else of its image is fetched. */
export type ManifestCheck = (pair: ChildPair, digests: string[], signal: AbortSignal) => Promise<void>;

const ANYBODY: ImageUse = { name: "", namespace: "" };
/** Signatures of one image that are kept: enough for any policy, few enough to read at once. */
const MAX_KEPT = 128;

/** Where images pass by the signature policy: when they are pulled, and whenever one is used. */
export class Gate {
  #trust: Trust;
  #kernel: Kernel;
  #files: SignatureFiles;

  constructor(root: string, options: TrustOptions) {
    this.#trust = new Trust(options);
    this.#kernel = options.kernel;
    this.#files = new SignatureFiles(root, options.kernel);
  }

  /** Why no image is accepted now, or nothing. */
  problem(): string | undefined {
    return this.#trust.problem();
  }

  /**
   * The check that a pull has to make, if any.
   * @throws {RpcError} UNKNOWN, starting with SignatureValidationFailed, when no signature could help.
   */
  async forPull(reference: Reference, namespace: string): Promise<ManifestCheck | undefined> {
    const rule = this.#trust.rule(reference, namespace);
    const hopeless = rule.requirements.filter((requirement) =>
      requirement.type !== "insecureAcceptAnything" && !needsSignatures({ ...rule, requirements: [requirement] })
    );
    if (hopeless.length > 0) {
      throw refusalOf(await this.#trust.judge({ ...rule, requirements: hopeless }, reference, [], []));
    }
    if (!needsSignatures(rule)) return undefined;
    return async (pair, digests, signal) => {
      const { verdict, signatures } = await this.#fetchAndJudge(rule, reference, pair, digests, signal);
      if (!verdict.allowed) throw refusalOf(verdict);
      this.#keep(digests, signatures);
    };
  }

  /** What the policy says of an image at its registry, or anywhere its manifest can be had from. */
  async explain(
    reference: Reference,
    namespace: string,
    fetched: { pair: ChildPair; digests: string[]; signal: AbortSignal },
  ): Promise<Verdict> {
    const rule = this.#trust.rule(reference, namespace);
    const { pair, digests, signal } = fetched;
    return (await this.#fetchAndJudge(rule, reference, pair, digests, signal)).verdict;
  }

  /** What the policy says of an image on this node, by the signatures that were kept when it was pulled. */
  async explainKept(image: ImageRecord, use: ImageUse): Promise<Verdict> {
    let first: Verdict | undefined;
    for (const reference of namesOf(image, use.name)) {
      const verdict = await this.#judgeKept(image, reference, use.namespace);
      if (verdict.allowed) return verdict;
      first ??= verdict;
    }
    if (first) return first;
    throw refusal(`the image ${image.id} has no name by which a policy could know it`);
  }

  /** @throws {RpcError} UNKNOWN, starting with SignatureValidationFailed, when the policy does not let this image run. */
  async requireTrusted(image: ImageRecord, use: ImageUse = ANYBODY): Promise<void> {
    const verdict = await this.explainKept(image, use);
    if (!verdict.allowed) throw refusalOf(verdict);
  }

  forget({ repoDigests }: ImageRecord): void {
    for (const name of repoDigests) this.#files.remove(digestOf(name));
  }

  /** Removes the signatures of images that are not there any more. */
  keepOnly(images: ImageRecord[]): void {
    this.#files.keepOnly(new Set(images.flatMap(({ repoDigests }) => repoDigests.map(digestOf))));
  }

  async #fetchAndJudge(
    rule: Rule,
    reference: Reference,
    pair: ChildPair,
    digests: string[],
    signal: AbortSignal,
  ): Promise<{ verdict: Verdict; signatures: Signature[] }> {
    const gathered = await gatherSignatures(pair, this.#kernel, {
      reference,
      digests,
      place: this.#trust.place(reference),
      simple: needsSignatures(rule, "signedBy"),
      sigstore: needsSignatures(rule, "sigstoreSigned"),
    }, signal).catch((error) => {
      if (isCancelled(error, signal)) throw error;
      throw refusal(`cannot get the signatures of ${repositoryName(reference)}: ${messageOf(error)}`);
    });
    const verdict = await this.#trust.judge(rule, reference, digests, gathered.signatures);
    if (gathered.signatures.length > 0) return { verdict, signatures: gathered.signatures };
    const where = gathered.looked.length === 0 ? "" : ` at ${gathered.looked.join(" or ")}`;
    return { verdict: without(verdict, `no signature was found${where}`), signatures: [] };
  }

  async #judgeKept(image: ImageRecord, reference: Reference, namespace: string): Promise<Verdict> {
    const rule = this.#trust.rule(reference, namespace);
    const known = digestsOf(image, reference);
    if (!needsSignatures(rule)) return await this.#trust.judge(rule, reference, known, []);
    const kept = known.flatMap((digest) => this.#files.read(digest) ?? []);
    const digests = [...new Set([...known, ...kept.flatMap(({ digests }) => digests)])];
    const signatures = kept.flatMap(({ signatures }) => signatures);
    const verdict = await this.#trust.judge(rule, reference, digests, signatures);
    if (signatures.length > 0) return verdict;
    return without(
      verdict,
      "no signature of it is kept on this node; pull it again under this policy (skiff image pull)",
    );
  }

  #keep(digests: string[], signatures: Signature[]): void {
    const [digest] = digests;
    const before = this.#files.read(digest)?.signatures ?? [];
    const unique = new Map([...signatures, ...before].map((signature) => [JSON.stringify(signature), signature]));
    this.#files.write(digest, { digests: [...new Set(digests)], signatures: [...unique.values()].slice(0, MAX_KEPT) });
  }
}

/** Says more than the child can know about signatures that were not there. */
function without(verdict: Verdict, reason: string): Verdict {
  const isSigned = (type: string) => type === "signedBy" || type === "sigstoreSigned";
  const requirements = verdict.requirements.map((finding) =>
    finding.satisfied || !isSigned(finding.type) || !/^no signature/.test(finding.reason)
      ? finding
      : { ...finding, reason }
  );
  return { ...verdict, requirements };
}

/** The names under which an image is judged: the one that was asked for, if the image has it, else any of its own. */
function namesOf(image: ImageRecord, name: string): Reference[] {
  const own = [...image.repoTags, ...image.repoDigests].map((text) => parseReference(text));
  const asked = tryParse(name);
  if (asked && own.some((one) => repositoryName(one) === repositoryName(asked))) return [asked];
  return own;
}

/** The digests by which the image is known in the repository of a name; all of them when it is known there by none. */
function digestsOf(image: ImageRecord, reference: Reference): string[] {
  const repository = `${repositoryName(reference)}@`;
  const there = image.repoDigests.filter((name) => name.startsWith(repository));
  return (there.length > 0 ? there : image.repoDigests).map(digestOf);
}

function digestOf(repoDigest: string): string {
  return repoDigest.slice(repoDigest.indexOf("@") + 1);
}

function tryParse(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch {
    return undefined;
  }
}
