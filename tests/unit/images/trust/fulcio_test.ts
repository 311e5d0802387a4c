import { assert, assertEquals, assertThrows } from "@std/assert";
import * as openpgp from "openpgp";
import { parseCertificate, readCertificates } from "../../../../src/images/trust/certificate.ts";
import { evaluate } from "../../../../src/images/trust/verify_child.ts";
import type { SignatureTask } from "../../../../src/images/trust/types.ts";
import {
  authority,
  type Certified,
  EMAIL,
  LOGGED_AT,
  nameConstraints,
  OIDC_ISSUER,
  signing,
  signWith,
  unknown,
} from "./certificates.ts";
import { logBundle, payload, type SigstoreKey, sigstoreKey } from "./signing.ts";

const DIGEST = `sha256:${"1".repeat(64)}`;
const NAME = "h.io/app:1";
const bytes = payload(DIGEST, NAME, "cosign container image signature");
const base64 = (text: string) => new TextEncoder().encode(text).toBase64();
const [root, stranger, log] = [authority(), authority(), await sigstoreKey()];

interface Case {
  chain?: Certified[];
  /** The rule's authorities. */
  roots?: Certified[];
  payload?: Uint8Array;
  signature?: Uint8Array;
  /** What the log says of it. */
  logged?: Partial<{ payload: Uint8Array; signature: Uint8Array; pem: string }>;
  loggedAt?: number;
  log?: SigstoreKey;
  bundle?: string;
  certificate?: string;
}

async function judge(leaf: Certified, options: Case = {}): Promise<{ satisfied: boolean; reason: string }> {
  const signed = options.payload ?? bytes;
  const signature = options.signature ?? signWith(leaf, signed);
  const entry = { payload: signed, signature, pem: leaf.pem, ...options.logged };
  const requirement: SignatureTask = {
    type: "sigstoreSigned",
    keys: [],
    logKeys: [{ name: "the log", data: base64(log.pem) }],
    fulcio: {
      ca: { name: "the authority", data: base64((options.roots ?? [root]).map(({ pem }) => pem).join("")) },
      oidcIssuer: OIDC_ISSUER,
      subjectEmail: EMAIL,
    },
    identity: { type: "matchRepoDigestOrExact" },
  };
  return await evaluate(openpgp, requirement, {
    reference: NAME,
    digests: [DIGEST],
    requirements: [requirement],
    signatures: [{
      kind: "sigstore",
      from: "test",
      payload: signed.toBase64(),
      signature: signature.toBase64(),
      bundle: options.bundle ?? await logBundle(options.log ?? log, entry, options.loggedAt),
      certificate: options.certificate ?? leaf.pem,
      chain: (options.chain ?? []).map(({ pem }) => pem).join(""),
    }],
  });
}

const intermediate = authority({ name: "intermediate", issuer: root, below: 0 });

Deno.test("evaluate() accepts a certificate of Fulcio's that was valid when the log took the signature, long ago", async () => {
  for (
    const [leaf, options] of [
      [signing(root), {}],
      [signing(intermediate), { chain: [intermediate] }],
      [signing(intermediate), { chain: [stranger, intermediate, root], roots: [stranger, root] }],
      // The file may have the intermediate alone.
      [signing(intermediate), { roots: [intermediate] }],
      [signing(root, { oldIssuer: "" }), {}],
      [signing(root, { oidcIssuer: "", oldIssuer: OIDC_ISSUER }), {}],
      [signing(root, { curve: "P-384", extensions: [unknown(false)] }), {}],
    ] as [Certified, Case][]
  ) {
    const { satisfied, reason } = await judge(leaf, options);
    assertEquals([satisfied, reason], [true, `signed by ${EMAIL} (${OIDC_ISSUER})`]);
  }
});

const other = await sigstoreKey();
const good = signing(root);
const REFUSED: [string, Certified, Case, RegExp][] = [
  ["no certificate", good, { certificate: "" }, /carries no certificate/],
  ["two certificates", good, { certificate: good.pem + root.pem }, /more than one certificate/],
  ["what is no certificate", good, { certificate: "x" }, /no certificate in PEM form/],
  [
    "a certificate that is cut",
    good,
    { certificate: good.pem.replace(/[\w+/]{8}\n(?=\w)/, "\n") },
    /cannot be read/,
  ],
  ["no promise of the log", good, { bundle: "" }, /no promise of a transparency log/],
  ["a promise of another log", good, { log: other }, /none of the rule's log keys/],
  ["an entry with another certificate", good, { logged: { pem: signing(root).pem } }, /about another key/],
  ["an entry with another payload", good, { logged: { payload: new Uint8Array(3) } }, /about another payload/],
  ["an entry with another signature", good, { logged: { signature: new Uint8Array(70) } }, /about another signature/],
  ["an entry without a time", good, { loggedAt: 0 }, /does not say when it was made/],
  [
    "a certificate that was over",
    good,
    { loggedAt: LOGGED_AT + 3600 },
    /was valid from 2023-11-14.* and not when the log/,
  ],
  [
    "one that was not valid yet",
    good,
    { loggedAt: LOGGED_AT - 3600 },
    /was valid from 2023-11-14.* and not when the log/,
  ],
  ["another authority", signing(stranger), {}, /is not from one of the rule's authorities/],
  ["a chain that lacks its middle", signing(intermediate), {}, /is not from one of the rule's authorities/],
  ["an authority that signed by itself", signing(stranger), { chain: [stranger] }, /is not from one/],
  ["a certificate that was changed", signing(root, { spoil: true }), {}, /is not from one|cannot be read|named by/],
  ["a signer as authority", signing(good, { name: "x" }), { chain: [good] }, /may not sign certificates/],
  [
    "too many authorities",
    signing(authority({ name: "deep", issuer: intermediate })),
    { chain: [] },
    /is not from one/,
  ],
  ["one that may not sign", ...through(authority({ name: "no", issuer: root, isAuthority: false })), /may not sign/],
  [
    "one that was over",
    ...through(authority({ name: "old", issuer: root, notAfter: LOGGED_AT - 1 })),
    /an authority was valid from/,
  ],
  [
    "names that are bounded",
    ...through(authority({ name: "c", issuer: root, extensions: [nameConstraints] })),
    /name constr/,
  ],
  [
    "an unknown critical extension",
    signing(root, { extensions: [unknown(true)] }),
    {},
    /critical extension 1\.2\.3\.4\.5/,
  ],
  [
    "the same in an authority",
    ...through(authority({ name: "u", issuer: root, extensions: [unknown(true)] })),
    /critical ext/,
  ],
  ["a certificate for servers", signing(root, { server: true }), {}, /not for signing code/],
  ["another e-mail address", signing(root, { email: "eve@example.com" }), {}, /is for "eve@example.com".*subjectEmail/],
  ["another issuer", signing(root, { oidcIssuer: "https://evil" }), {}, /confirmed by "https:\/\/evil".*oidcIssuer/],
  ["two issuers", signing(root, { oldIssuer: "https://evil" }), {}, /names two OIDC issuers/],
  ["no issuer", signing(root, { oidcIssuer: "", oldIssuer: "" }), {}, /names no OIDC issuer/],
  ["another signer", good, { signature: signWith(signing(root), bytes) }, /key did not make it/],
  [
    "another image",
    good,
    { payload: payload(`sha256:${"2".repeat(64)}`, NAME, "cosign container image signature") },
    /made for another image/,
  ],
];

/** A certificate by way of an intermediate authority. */
function through(middle: Certified): [Certified, Case] {
  return [signing(middle), { chain: [middle] }];
}

for (const [what, leaf, options, expected] of REFUSED) {
  Deno.test(`evaluate() of a rule with fulcio refuses ${what}`, async () => {
    const { satisfied, reason } = await judge(leaf, options);
    assertEquals(satisfied, false);
    assert(expected.test(reason), reason);
  });
}

Deno.test("evaluate() holds an authority to how many may be below it", async () => {
  const deep = authority({ name: "deep", issuer: intermediate });
  const { reason } = await judge(signing(deep), { chain: [deep, intermediate] });
  assert(/may have 0 authorities below it, and has 1/.test(reason), reason);
  const loop = authority({ name: "loop" });
  const { reason: looped } = await judge(signing(loop), { chain: [loop, loop] });
  assert(/is not from one of the rule's authorities/.test(looped), looped);
});

Deno.test("evaluate() says when the rule's authority cannot be used", async () => {
  const { reason } = await judge(good, { roots: [{ ...root, pem: "nothing" }] });
  assertEquals(
    reason,
    "the rule's keys cannot be used: the authority has no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
  );
});

Deno.test("parseCertificate() throws, and nothing else, for bytes that were changed", () => {
  const [{ raw }] = readCertificates("x", good.pem);
  for (let at = 0; at < raw.length; at++) {
    for (const bit of [0x01, 0x80]) {
      const changed = raw.with(at, raw[at] ^ bit);
      try {
        parseCertificate(changed);
      } catch (error) {
        assert(error instanceof Error && !(error instanceof TypeError), String(error));
      }
    }
    assertThrows(() => parseCertificate(raw.subarray(0, at)), Error);
  }
});

Deno.test("readCertificates() reads what openssl makes, and evaluate() accepts it", async () => {
  const folder = await Deno.makeTempDir();
  const openssl = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command("openssl", { args, cwd: folder }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  };
  const curve = (name: string) => ["-newkey", "ec", "-pkeyopt", `ec_paramgen_curve:${name}`, "-nodes"];
  await openssl(
    ...["req", "-x509", ...curve("secp384r1"), "-sha384", "-days", "2"],
    "-subj",
    "/O=test/CN=root",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
  );
  await Deno.writeTextFile(
    `${folder}/leaf.ext`,
    `keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nsubjectAltName=critical,email:${EMAIL}\n` +
      `1.3.6.1.4.1.57264.1.8=ASN1:UTF8String:${OIDC_ISSUER}\n`,
  );
  await openssl("req", ...curve("prime256v1"), "-subj", "/CN=leaf", "-keyout", "leaf.key", "-out", "leaf.csr");
  await openssl(
    ...["x509", "-req", "-sha384", "-days", "1", "-CA", "ca.pem", "-CAkey", "ca.key"],
    "-CAcreateserial",
    "-in",
    "leaf.csr",
    "-extfile",
    "leaf.ext",
    "-out",
    "leaf.pem",
  );
  await Deno.writeFile(`${folder}/payload`, bytes);
  await openssl("dgst", "-sha256", "-sign", "leaf.key", "-out", "signature", "payload");
  const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
  const [ca, leaf] = [await read("ca.pem"), await read("leaf.pem")];
  const signature = await Deno.readFile(`${folder}/signature`);
  const { satisfied, reason } = await judge({ ...good, pem: leaf }, {
    roots: [{ ...root, pem: ca }],
    signature,
    loggedAt: Math.floor(Date.now() / 1000) + 5,
  });
  assertEquals([satisfied, reason], [true, `signed by ${EMAIL} (${OIDC_ISSUER})`]);
  await Deno.remove(folder, { recursive: true });
});
