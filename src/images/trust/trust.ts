import { createHash } from "node:crypto";
import type { Config } from "../../config/types.ts";
import { Code, RpcError } from "../../rpc/status.ts";
import { type Kernel, type Programs, selfCommand } from "../../sys/mod.ts";
import { childEnvironment } from "../child_environment.ts";
import type { Reference } from "../reference.ts";
import type { SignaturePlace } from "./lookaside.ts";
import { PolicyFiles, refusal } from "./policy_files.ts";
import { identityOf } from "./scope.ts";
import type {
  Requirement,
  RequirementFinding,
  Rule,
  Signature,
  SignatureTask,
  Verdict,
  VerifyAnswer,
  VerifyTask,
} from "./types.ts";

/** Milliseconds for the child that checks signatures. */
const CHECK_TIMEOUT = 30_000;
const MAX_ANSWER = 4 << 20;
/** Answers that are remembered: a hash and a few lines each. */
const MAX_KNOWN = 1_000;

export interface TrustOptions {
  config: Pick<Config["images"], "policy" | "policyDir" | "registriesDir">;
  kernel: Kernel;
  programs: Programs;
}

type SignedRequirement = Extract<Requirement, { type: "signedBy" | "sigstoreSigned" }>;

/** Decides by the node's policy which images may be pulled, and run. */
export class Trust {
  #files: PolicyFiles;
  #kernel: Kernel;
  #programs: Programs;
  /** By everything that went into them; in the order of their making. */
  #known = new Map<string, Promise<VerifyAnswer>>();

  constructor({ config, kernel, programs }: TrustOptions) {
    this.#files = new PolicyFiles(config, kernel);
    this.#kernel = kernel;
    this.#programs = programs;
  }

  /** Why the policy cannot be used, or nothing. */
  problem(): string | undefined {
    return this.#files.problem();
  }

  /** @throws {RpcError} for a policy that cannot be read. */
  rule(reference: Reference, namespace: string): Rule {
    return this.#files.rule(reference, namespace);
  }

  place(reference: Reference): SignaturePlace {
    return this.#files.place(reference);
  }

  /** What the rule says of an image with these digests and signatures. */
  async judge(rule: Rule, reference: Reference, digests: string[], signatures: Signature[]): Promise<Verdict> {
    const signed = rule.requirements.filter(isSigned);
    const answers = signed.length === 0 ? [] : await this.#answers(signed, reference, digests, signatures);
    const requirements = rule.requirements.map((requirement): RequirementFinding => {
      const { type, line } = requirement;
      if (isSigned(requirement)) return { type, line, ...answers[signed.indexOf(requirement)] };
      if (type === "reject") return { type, line, satisfied: false, reason: "every image is rejected", signatures: [] };
      if (type === "insecureAcceptAnything") {
        return { type, line, satisfied: true, reason: "every image is accepted", signatures: [] };
      }
      const { unsupported } = requirement as Extract<Requirement, { type: "sigstoreSigned" }>;
      return {
        type,
        line,
        satisfied: false,
        reason: `not supported: ${unsupported}; use a public key or fulcio`,
        signatures: [],
      };
    });
    return {
      allowed: requirements.every(({ satisfied }) => satisfied),
      reference: identityOf(reference),
      file: rule.file,
      scope: rule.scope,
      requirements,
    };
  }

  #answers(
    requirements: SignedRequirement[],
    reference: Reference,
    digests: string[],
    signatures: Signature[],
  ): Promise<VerifyAnswer> {
    const task: VerifyTask = {
      reference: identityOf(reference),
      digests,
      requirements: requirements.map((requirement): SignatureTask => ({
        type: requirement.type,
        keys: requirement.keys.map((key) => this.#files.key(key)),
        logKeys: requirement.type === "sigstoreSigned" ? requirement.logKeys.map((key) => this.#files.key(key)) : [],
        ...(requirement.type === "sigstoreSigned" && requirement.fulcio && {
          fulcio: { ...requirement.fulcio, ca: this.#files.key(requirement.fulcio.ca) },
        }),
        identity: requirement.identity,
      })),
      signatures,
    };
    const input = JSON.stringify(task);
    // A key or a signature may expire within the day.
    const day = Math.floor(Date.now() / 86_400_000);
    const key = `${day} ${createHash("sha256").update(input).digest("hex")}`;
    const known = this.#known.get(key);
    if (known) return known;
    const answer = this.#run(input, requirements.length);
    this.#known.set(key, answer);
    answer.catch(() => this.#known.delete(key));
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN) break;
      this.#known.delete(oldest);
    }
    return answer;
  }

  async #run(input: string, count: number): Promise<VerifyAnswer> {
    const [program, ...args] = selfCommand("__verify");
    const { code, signal, timedOut, stdout, stderr } = await this.#programs.run(program, args, {
      env: childEnvironment(this.#kernel, { network: false }),
      input,
      timeout: CHECK_TIMEOUT,
      outputLimit: MAX_ANSWER,
    });
    if (code !== 0 || signal !== 0) {
      const how = timedOut
        ? `took over ${CHECK_TIMEOUT / 1000} s`
        : `ended with ${signal === 0 ? `exit code ${code}` : `signal ${signal}`}`;
      const said = new TextDecoder().decode(stderr).trim().slice(-1_000);
      throw refusal(`the process that checks signatures ${how}${said === "" ? "" : `: ${said}`}`);
    }
    return readAnswer(new TextDecoder().decode(stdout), count);
  }
}

/** A rule with a part that cannot be checked here needs no child to be refused. */
function isSigned(requirement: Requirement): requirement is SignedRequirement {
  return requirement.type === "signedBy" ||
    (requirement.type === "sigstoreSigned" && requirement.unsupported === undefined);
}

/** The child has read strangers' bytes: its answer has to have the shape of one. */
function readAnswer(text: string, count: number): VerifyAnswer {
  const answer = JSON.parse(text) as VerifyAnswer;
  const isFinding = (value: { reason: unknown }) => typeof value.reason === "string";
  const isWhole = Array.isArray(answer) && answer.length === count &&
    answer.every((one) => typeof one.satisfied === "boolean" && isFinding(one) && one.signatures.every(isFinding));
  if (!isWhole) throw new RpcError(Code.INTERNAL, "the process that checks signatures gave an answer that is none");
  return answer;
}

/** The refusal as the kubelet's event shows it: which rule, where it stands, why, and what can be done. */
export function refusalOf({ reference, file, scope, requirements }: Verdict): RpcError {
  const { type, line, reason } = requirements.find(({ satisfied }) => !satisfied)!;
  const place = scope === "default" ? "the policy's default" : scope === "" ? "every registry" : `scope ${scope}`;
  const fix = type === "reject"
    ? "give the image a scope of its own there if it is to run"
    : "sign the image as the rule asks for, or change the rule";
  return refusal(`${reference} is refused by the rule ${type} at ${file}:${line} (${place}): ${reason}; ${fix}`);
}

/** True where a look at signatures decides; else the rule alone does. */
export function needsSignatures(rule: Rule, type?: "signedBy" | "sigstoreSigned"): boolean {
  return rule.requirements.some((requirement) =>
    isSigned(requirement) && (type === undefined || requirement.type === type)
  );
}
