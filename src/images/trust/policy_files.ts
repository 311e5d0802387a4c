import { createHash } from "node:crypto";
import type { Config } from "../../config/types.ts";
import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import type { Kernel } from "../../sys/mod.ts";
import type { Reference } from "../reference.ts";
import { LocatedError } from "./located_json.ts";
import { placeFor, readPlaces, type SignaturePlace, type SignaturePlaces } from "./lookaside.ts";
import { NO_POLICY, parsePolicy } from "./policy.ts";
import { scopesOf, wildcardsOf } from "./scope.ts";
import type { KeySource, Policy, Rule } from "./types.ts";

/** The kubelet knows by the first word that a policy, and not the registry, is why a pull failed. */
export const SIGNATURE_FAILED = "SignatureValidationFailed";

/** Where policies are on a node, unless the configuration says otherwise. */
const USUAL_POLICY = "/etc/containers/policy.json";
const MAX_POLICY = 4 << 20;
const MAX_KEY = 1 << 20;
/** As Kubernetes names namespaces: the name becomes part of a path. */
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The policy files, read anew whenever they are needed: what an administrator changes holds from the next pull and the next
 * container on. A file that cannot be read refuses every image.
 */
export class PolicyFiles {
  #config: Pick<Config["images"], "policy" | "policyDir" | "registriesDir">;
  #kernel: Kernel;
  #parsed = new Map<string, { hash: string; policy: Policy }>();

  constructor(config: Pick<Config["images"], "policy" | "policyDir" | "registriesDir">, kernel: Kernel) {
    this.#config = config;
    this.#kernel = kernel;
  }

  /** @throws {RpcError} whose message starts with SignatureValidationFailed when the policy cannot be read. */
  rule(reference: Reference, namespace: string): Rule {
    const policy = this.#policy(namespace);
    const { file } = policy;
    for (const scope of [...scopesOf(reference), ...wildcardsOf(reference), ""]) {
      const requirements = policy.docker.get(scope);
      if (requirements) return { file, scope, requirements };
    }
    return { file, scope: "default", requirements: policy.default };
  }

  /** What stands in the way of using the policy, or nothing: for the log when the daemon starts. */
  problem(): string | undefined {
    try {
      this.#policy("");
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** A key that a policy names, in base64. */
  key(source: KeySource): { name: string; data: string } {
    if ("data" in source) return { name: "the key in the policy", data: source.data };
    try {
      return { name: source.path, data: this.#kernel.readFile(source.path, MAX_KEY).toBase64() };
    } catch (error) {
      throw refusal(`cannot read the key ${source.path} that the policy names: ${messageOf(error)}`);
    }
  }

  /** Where the signatures of a name are. */
  place(reference: Reference): SignaturePlace {
    const folder = this.#config.registriesDir;
    const places: SignaturePlaces = { default: {}, docker: new Map() };
    if (folder !== "" && this.#kernel.exists(folder)) {
      const names = this.#kernel.readDirectory(folder).map(({ name }) => name).filter((name) => name.endsWith(".yaml"));
      for (const name of names.sort()) {
        this.#reading(`${folder}/${name}`, (text) => readPlaces(text, places));
      }
    }
    return placeFor(places, reference);
  }

  #policy(namespace: string): Policy {
    const { policy: file, policyDir } = this.#config;
    if (namespace !== "" && policyDir !== "") {
      if (!NAMESPACE.test(namespace)) throw refusal(`${JSON.stringify(namespace)} is not the name of a namespace`);
      const own = `${policyDir}/${namespace}.json`;
      if (this.#kernel.exists(own)) return this.#parse(own);
    }
    if (file !== "") return this.#parse(file);
    return this.#kernel.exists(USUAL_POLICY) ? this.#parse(USUAL_POLICY) : NO_POLICY;
  }

  #parse(file: string): Policy {
    return this.#reading(file, (text) => {
      const hash = createHash("sha256").update(text).digest("hex");
      const known = this.#parsed.get(file);
      if (known?.hash === hash) return known.policy;
      const policy = parsePolicy(file, text);
      this.#parsed.set(file, { hash, policy });
      return policy;
    });
  }

  #reading<T>(file: string, parse: (text: string) => T): T {
    try {
      return parse(this.#kernel.readText(file, MAX_POLICY));
    } catch (error) {
      const at = error instanceof LocatedError ? `${file}:${error.line}` : file;
      throw refusal(
        `cannot read the signature policy: ${at}: ${messageOf(error)}; no image is accepted until it is right`,
      );
    }
  }
}

export function refusal(reason: string): RpcError {
  return new RpcError(Code.UNKNOWN, `${SIGNATURE_FAILED}: ${reason}`);
}
