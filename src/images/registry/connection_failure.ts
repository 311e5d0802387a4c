import { Code } from "../../rpc/status.ts";
import type { Endpoint } from "../child_events.ts";
import { RegistryFailure } from "./failure.ts";
import { shownUrl } from "./http.ts";

/** What a request came to that got no answer. Mistakes in a setup, told by what TLS says, are not worth another attempt. */
export function connectionFailure(url: URL, cause: unknown, endpoint: Endpoint): RegistryFailure {
  if (cause instanceof RegistryFailure) return cause;
  const advice = tlsAdvice(url, String(cause), endpoint);
  if (advice === undefined) {
    return new RegistryFailure(`GET ${shownUrl(url)}: no answer${certificateHint(url, cause, endpoint)}`, { cause });
  }
  return new RegistryFailure(`GET ${shownUrl(url)}: ${advice}`, {
    retriable: false,
    cause,
    code: Code.FAILED_PRECONDITION,
  });
}

/** True when a server that may be spoken to in plain HTTP does not speak TLS, or nothing listens where TLS would be. */
export function speaksNoTls(cause: unknown): boolean {
  return /InvalidContentType|Connection refused|corrupt message/.test(String(cause));
}

/** With TLS 1.3 a server that misses a certificate may be gone before it has said so. */
function certificateHint(url: URL, cause: unknown, { host, tls }: Endpoint): string {
  const mayBe = url.protocol === "https:" && tls?.cert === undefined && /connection closed/.test(String(cause));
  return mayBe
    ? ` (if it wants a client's certificate, put client.cert and client.key into ${folderOf(host ?? url.host)})`
    : "";
}

function folderOf(host: string): string {
  return `/etc/containers/certs.d/${host}`;
}

function tlsAdvice(url: URL, cause: string, endpoint: Endpoint): string | undefined {
  const host = endpoint.host ?? url.host;
  const folder = folderOf(host);
  if (cause.includes("peer certificate")) {
    const insecure = endpoint.insecure
      ? "; `insecure` allows plain HTTP, but never a certificate that cannot be checked"
      : "";
    if (/NotValidForName/.test(cause)) {
      return `its certificate is for another name than ${url.hostname}${insecure}`;
    }
    if (/: (?:certificate )?[Ee]xpired|NotValidYet/.test(cause)) {
      return `its certificate is not valid now: check both clocks, and renew it${insecure}`;
    }
    return "its certificate is not trusted; put that of the authority that signed it into " +
      `${folder}/ca.crt, or add it to this node's certificates${insecure}`;
  }
  if (/CertificateRequired|HandshakeFailure|BadCertificate/.test(cause)) {
    return `it wants a client's certificate that it trusts: put client.cert and client.key into ${folder}`;
  }
  if (cause.includes("InvalidContentType")) {
    return "it does not speak TLS; if that is as it should be, set " +
      `images.registries."${host}".plainHttp: true, or insecure = true for it in registries.conf`;
  }
  return undefined;
}
