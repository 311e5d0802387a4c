import { Code, RpcError } from "../../rpc/status.ts";
import type { Kernel, Programs } from "../../sys/mod.ts";
import { environmentOf } from "../environment.ts";
import type { RegistryAuth } from "../types.ts";

export interface CredentialProgramOptions {
  kernel: Kernel;
  programs: Programs;
  folders: readonly string[];
}

const TIMEOUT = 15_000;
const MAX_ANSWER = 1 << 20;
/** What docker's own programs say of a host that they do not know. */
const UNKNOWN_HOST = /credentials not found|no credentials/i;
/** Cloud providers' programs look for their own configuration by these. */
const PASSED_ON = /^(?:PATH|HOME|LANG|XDG_[A-Z_]+|AWS_[A-Z_]+|GOOGLE_[A-Z_]+|AZURE_[A-Z_]+|HTTPS?_PROXY|NO_PROXY)$/;

/**
 * Asks docker-credential-NAME for the credentials of a host. Secrets come on its standard output and go nowhere else.
 * Undefined: it knows none.
 * https://github.com/docker/docker-credential-helpers
 * @throws {RpcError} FAILED_PRECONDITION when the program is not there or fails.
 */
export async function askCredentialProgram(
  { kernel, programs, folders }: CredentialProgramOptions,
  name: string,
  host: string,
): Promise<RegistryAuth | undefined> {
  const file = `docker-credential-${name}`;
  const path = folders.map((folder) => `${folder}/${file}`).find((path) => kernel.exists(path));
  if (path === undefined) {
    throw failed(`${file}, which an auth file names for ${host}, is not in ${folders.join(", ")}`);
  }
  const { code, signal, timedOut, stdout, stderr } = await programs.run(path, ["get"], {
    input: host === "docker.io" ? "https://index.docker.io/v1/" : host,
    env: environmentOf(kernel, PASSED_ON),
    timeout: TIMEOUT,
    outputLimit: MAX_ANSWER,
  });
  const said = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (timedOut) throw failed(`${path} did not answer within ${TIMEOUT / 1000} s for ${host}`);
  if (code !== 0 || signal !== 0) {
    if (UNKNOWN_HOST.test(said(stdout)) || UNKNOWN_HOST.test(said(stderr))) return undefined;
    // deno-lint-ignore no-control-regex
    const why = said(stderr).replace(/[\x00-\x1f\x7f]+/g, " ").trim().slice(0, 300);
    throw failed(`${path} failed with code ${signal === 0 ? code : `signal ${signal}`} for ${host}: ${why}`);
  }
  return answer(path, host, said(stdout));
}

function answer(path: string, host: string, text: string): RegistryAuth {
  let given: { Username?: unknown; Secret?: unknown };
  try {
    given = JSON.parse(text);
  } catch {
    throw failed(`${path} did not answer with JSON for ${host}`);
  }
  const { Username: username, Secret: secret } = given ?? {};
  if (typeof username !== "string" || typeof secret !== "string") {
    throw failed(`${path} gave no Username and Secret for ${host}`);
  }
  return username === "<token>" ? { identityToken: secret } : { username, password: secret };
}

function failed(message: string): RpcError {
  return new RpcError(Code.FAILED_PRECONDITION, `cannot get credentials: ${message}`);
}
