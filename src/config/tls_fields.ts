import { text } from "./fields.ts";
import * as rules from "./rules.ts";

/** The certificate of a server of ours; that it has a key, and the key a certificate, is checked where both are known. */
export const tlsFields = {
  tlsCertFile: text({
    doc: "Certificate chain in PEM, for TLS. Empty: plain HTTP.",
    default: "",
    reload: "restart",
    allowed: "an absolute path, or empty",
    check: rules.absolutePathOrEmpty,
  }),
  tlsKeyFile: text({
    doc: "The certificate's private key in PEM.",
    default: "",
    reload: "restart",
    allowed: "an absolute path, or empty; set exactly when `tlsCertFile` is",
    check: rules.absolutePathOrEmpty,
  }),
};
