import { createHash } from "node:crypto";
import type { Config } from "../../config/types.ts";
import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import type { Kernel, Programs } from "../../sys/mod.ts";
import { type Reference, repositoryName } from "../reference.ts";
import type { RegistryAuth } from "../types.ts";
import { AuthFile, decodeBasic, type Finding } from "./auth_file.ts";
import { askCredentialProgram } from "./credential_program.ts";
import { readRegularText } from "./regular_file.ts";

/** Where credentials for one endpoint would come from. */
export interface CredentialPlan {
  /** For people: never a secret. */
  origin: string;
  obtain(): Promise<RegistryAuth | undefined>;
}

const NONE: CredentialPlan = { origin: "none", obtain: () => Promise.resolve(undefined) };

/** Kubernetes' names of namespaces: RFC 1123 labels. Anything else must not become part of a path. */
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Finds credentials on this node for pulls that bring none. */
export class Credentials {
  #kernel: Kernel;
  #programs: Programs;
  #config: Pick<Config["images"], "authFiles" | "namespacedAuthDir" | "credentialHelperDirs">;

  constructor({ kernel, programs, config }: { kernel: Kernel; programs: Programs; config: Config["images"] }) {
    this.#kernel = kernel;
    this.#programs = programs;
    this.#config = config;
  }

  /**
   * The file that a credential provider left for one pull of this image by a namespace. It is removed when it is taken.
   * @throws {RpcError} when it is there, but no auth file.
   */
  takeNamespaced(namespace: string, reference: Reference): { path: string; file: AuthFile } | undefined {
    const path = this.namespacedFile(namespace, reference);
    if (path === undefined) return undefined;
    try {
      const file = this.#read(path);
      return file && { path, file };
    } finally {
      this.#kernel.unlinkIfExists(path);
    }
  }

  /** Its path, if there is such a file. */
  namespacedFile(namespace: string, reference: Reference): string | undefined {
    const folder = this.#config.namespacedAuthDir;
    if (folder === "" || !NAMESPACE.test(namespace)) return undefined;
    const sum = createHash("sha256").update(repositoryName(reference)).digest("hex");
    const path = `${folder}/${namespace}-${sum}.json`;
    return this.#kernel.exists(path) ? path : undefined;
  }

  /** @param repository host[:port]/path as that endpoint is asked for it */
  plan(repository: string, namespaced: { path: string; file: AuthFile } | undefined): CredentialPlan {
    const inNamespaced = namespaced?.file.find(repository);
    if (inNamespaced) return this.#from(namespaced!.path, inNamespaced);
    for (const path of this.#config.authFiles) {
      const found = this.#read(path)?.find(repository);
      if (found) return this.#from(path, found);
    }
    return NONE;
  }

  #from(path: string, finding: Finding): CredentialPlan {
    if (finding.kind === "entry") {
      return { origin: `${path} (${finding.key})`, obtain: () => Promise.resolve(finding.auth) };
    }
    const { program, key } = finding;
    return {
      origin: `docker-credential-${program}, named in ${path} for ${key}`,
      obtain: () =>
        askCredentialProgram(
          { kernel: this.#kernel, programs: this.#programs, folders: this.#config.credentialHelperDirs },
          program,
          key,
        ),
    };
  }

  #read(path: string): AuthFile | undefined {
    try {
      const text = readRegularText(this.#kernel, path);
      return text === undefined || text.trim() === "" ? undefined : new AuthFile(text);
    } catch (error) {
      throw new RpcError(Code.FAILED_PRECONDITION, `the auth file ${path} cannot be used: ${messageOf(error)}`);
    }
  }
}

/**
 * The request's own credentials for one of these hosts, in one form. Those that name a server are not for any other.
 * @throws {RpcError} INVALID_ARGUMENT for what is not base64 of user:password; the message does not show it.
 */
export function requestAuth(auth: RegistryAuth | undefined, hosts: string[]): RegistryAuth | undefined {
  if (!auth) return undefined;
  const { serverAddress = "", auth: basic, ...rest } = auth;
  if (serverAddress !== "") {
    const host = serverAddress.replace(/^https?:\/\//, "").split("/")[0].replace(/:443$/, "");
    // Docker's own list has docker.io under an old address.
    const named = host === "index.docker.io" ? "docker.io" : host;
    if (!hosts.includes(named)) return undefined;
  }
  if (basic === undefined || rest.username !== undefined) return rest;
  try {
    return { ...rest, ...decodeBasic(basic) };
  } catch (error) {
    throw new RpcError(Code.INVALID_ARGUMENT, `auth.auth: ${messageOf(error)}`);
  }
}
