import type { Config } from "../../config/types.ts";
import type { Logger } from "../../observe/types.ts";
import { Code, messageOf, RpcError } from "../../rpc/status.ts";
import type { Kernel, Programs } from "../../sys/mod.ts";
import type { Endpoint, FetchSource } from "../child_events.ts";
import { formatReference, hasRegistry, parseReference, type Reference, repositoryName } from "../reference.ts";
import type { ImageNameExplanation, RegistryAuth } from "../types.ts";
import { type Certificates, certificatesOf } from "./certificates.ts";
import { Credentials, requestAuth } from "./credentials.ts";
import { authoritiesInFolders } from "./node_authorities.ts";
import { type Place, placesOf } from "./places.ts";
import { RegistriesConf } from "./registries_conf.ts";
import { type Candidate, candidatesOf } from "./short_names.ts";

export interface ImageSourcesOptions {
  kernel: Kernel;
  programs: Programs;
  logger: Logger;
  config: Config["images"];
}

/** Who asks for an image, and what they brought. */
export interface Requester {
  auth?: RegistryAuth;
  /** Of the pod; "" where there is none. */
  namespace: string;
}

/** Says where the bytes of an image are to be fetched: rules for registries, certificates, and credentials of this node. */
export class ImageSources {
  #kernel: Kernel;
  #logger: Logger;
  #config: Config["images"];
  #rules: RegistriesConf;
  #credentials: Credentials;
  /** That count for every registry. */
  #authorities: Promise<string[]> = Promise.resolve([]);

  constructor({ kernel, programs, logger, config }: ImageSourcesOptions) {
    this.#kernel = kernel;
    this.#logger = logger;
    this.#config = config;
    this.#rules = new RegistriesConf({ kernel, logger, config });
    this.#credentials = new Credentials({ kernel, programs, config });
  }

  /** Reads the rules, so that what is wrong with them is in the log from the start, and begins to read authorities. */
  start(): void {
    this.#authorities = authoritiesInFolders(this.#kernel).catch((error) => {
      this.#logger.error("the authorities in SSL_CERT_DIR do not count", { error });
      return [];
    });
    try {
      this.#rules.current();
    } catch {
      // It is logged, and every pull says it.
    }
  }

  /** The whole names that a name may stand for, in order. @throws {RpcError} */
  candidates(name: string): Candidate[] {
    return candidatesOf(name, this.#rules.current());
  }

  /** As `candidates`, for finding an image that is here: none for what is no name, or cannot be completed. */
  names(name: string): Reference[] {
    try {
      return hasRegistry(name) ? [parseReference(name)] : this.candidates(name).map(({ reference }) => reference);
    } catch {
      return [];
    }
  }

  /**
   * Where to fetch an image: mirrors first, then the registry. Programs that know credentials are asked.
   * @throws {RpcError} FAILED_PRECONDITION where a rule blocks it, or a file on the way is wrong.
   */
  async source(reference: Reference, { auth, namespace }: Requester): Promise<FetchSource> {
    const places = placesOf(reference, this.#rules.current());
    const namespaced = this.#credentials.takeNamespaced(namespace, reference);
    const endpoints: Endpoint[] = [];
    for (const place of places) {
      try {
        endpoints.push(await this.#endpoint(place, auth, namespaced));
      } catch (error) {
        if (place.endpoint.mirrorOf === undefined) throw error;
        this.#logger.warn("a mirror is passed over", { mirror: place.endpoint.url, error });
      }
    }
    return {
      kind: "registry",
      repository: reference.path,
      endpoints,
      stallMilliseconds: this.#config.stallTimeoutSeconds * 1000,
    };
  }

  /** What `source` would do for each candidate, without asking anybody. @throws {RpcError} for what is no name. */
  explain(name: string, namespace: string): ImageNameExplanation[] {
    return this.candidates(name).map(({ reference, why }) => {
      const explanation: ImageNameExplanation = { name: formatReference(reference), why, refused: "", endpoints: [] };
      try {
        explanation.endpoints = placesOf(reference, this.#rules.current()).map((place) =>
          this.#explainPlace(place, namespace, reference)
        );
      } catch (error) {
        explanation.refused = messageOf(error);
      }
      return explanation;
    });
  }

  async #endpoint(
    place: Place,
    auth: RegistryAuth | undefined,
    namespaced: ReturnType<Credentials["takeNamespaced"]>,
  ): Promise<Endpoint> {
    const own = this.#certificates(place).tls;
    const authorities = await this.#authorities;
    const tls = authorities.length === 0 ? own : { ...own, caCerts: [...own?.caCerts ?? [], ...authorities] };
    const given = requestAuthOf(auth, place) ??
      await this.#credentials.plan(repositoryName(place.reference), namespaced).obtain();
    return { ...place.endpoint, tls, auth: given };
  }

  #explainPlace(place: Place, namespace: string, asked: Reference): ImageNameExplanation["endpoints"][number] {
    const forOnce = this.#credentials.namespacedFile(namespace, asked);
    const { origin } = this.#credentials.plan(repositoryName(place.reference), undefined);
    return {
      url: place.endpoint.url,
      image: formatReference(place.reference),
      why: place.why,
      credentials: [
        ...(place.mayHaveRequestAuth ? ["the request's"] : []),
        ...(forOnce === undefined ? [] : [forOnce]),
        origin,
      ].join(", else "),
      certificates: this.#certificates(place).files,
    };
  }

  #certificates({ host }: Place): Certificates {
    try {
      return certificatesOf(this.#kernel, this.#config.certsDirs, host);
    } catch (error) {
      throw new RpcError(Code.FAILED_PRECONDITION, `the certificates for ${host} cannot be used: ${messageOf(error)}`);
    }
  }
}

/** What names no server is for the registry of the image's name alone. */
function requestAuthOf(auth: RegistryAuth | undefined, place: Place): RegistryAuth | undefined {
  const { host, endpoint, mayHaveRequestAuth } = place;
  if (!mayHaveRequestAuth && !auth?.serverAddress) return undefined;
  return requestAuth(auth, [host, new URL(endpoint.url).host]);
}
