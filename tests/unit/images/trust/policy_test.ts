import { assertEquals, assertThrows } from "@std/assert";
import { LocatedError, parseLocated } from "../../../../src/images/trust/located_json.ts";
import { parsePolicy } from "../../../../src/images/trust/policy.ts";

const ACCEPT = '[{"type":"insecureAcceptAnything"}]';

function refusal(text: string): string {
  const error = assertThrows(() => parsePolicy("/p.json", text), LocatedError) as LocatedError;
  return `${error.line}: ${error.message}`;
}

/** A policy whose default is one requirement, on line 2. */
const FULCIO = '{"caPath": "/ca", "oidcIssuer": "https://i", "subjectEmail": "a@b"}';
const only = (requirement: string) => `{"default": [\n${requirement}]}`;

Deno.test("parseLocated() knows the line of every value", () => {
  const text = '{\n "a": [1,\n\t"x\\"{",\n true],\n "b": {"c":\n null}\n}';
  const top = parseLocated(text);
  if (top.kind !== "object") throw new Error("not an object");
  const a = top.entries.get("a")!;
  assertEquals(a.kind === "list" && a.items.map((item) => [item.line, item.kind === "plain" && item.value]), [
    [2, 1],
    [3, 'x"{'],
    [4, true],
  ]);
  const b = top.entries.get("b")!;
  assertEquals(b.kind === "object" && b.entries.get("c")!.line, 6);
});

Deno.test("parseLocated() refuses what is no JSON, a key that stands twice, and what is too deep", () => {
  const line = (text: string) => (assertThrows(() => parseLocated(text), LocatedError) as LocatedError).line;
  assertEquals(line('{\n"a": 1,\n}'), 3);
  assertEquals(line(""), 1);
  assertEquals(line('{"a":1,\n"a":2}'), 2);
  assertEquals(line("[".repeat(40) + "]".repeat(40)), 1);
});

Deno.test("parsePolicy() reads every kind of rule", () => {
  const policy = parsePolicy(
    "/p.json",
    `{
      "default": [{"type": "reject"}],
      "transports": {
        "docker": {
          "": ${ACCEPT},
          "example.com:5000/a": [{"type": "signedBy", "keyType": "GPGKeys", "keyPaths": ["/a", "/b"],
            "signedIdentity": {"type": "remapIdentity", "prefix": "example.com:5000", "signedPrefix": "vendor.example"}}],
          "*.example.com": [{"type": "sigstoreSigned", "keyData": "QUJD", "rekorPublicKeyPath": "/rekor",
            "signedIdentity": {"type": "exactRepository", "dockerRepository": "example.com/x"}}]
        },
        "docker-daemon": {"": ${ACCEPT}}
      }
    }`,
  );
  assertEquals(policy.default, [{ type: "reject", line: 2 }]);
  assertEquals([...policy.docker.keys()], ["", "example.com:5000/a", "*.example.com"]);
  assertEquals(policy.docker.get("example.com:5000/a"), [{
    type: "signedBy",
    line: 6,
    keys: [{ path: "/a" }, { path: "/b" }],
    identity: { type: "remapIdentity", prefix: "example.com:5000", signedPrefix: "vendor.example" },
  }]);
  assertEquals(policy.docker.get("*.example.com"), [{
    type: "sigstoreSigned",
    line: 8,
    keys: [{ data: "QUJD" }],
    logKeys: [{ path: "/rekor" }],
    unsupported: undefined,
    identity: { type: "exactRepository", repository: "example.com/x" },
  }]);
});

Deno.test("parsePolicy() names the line and what is wrong there", () => {
  const cases: [string, string][] = [
    ["{}", '1: the policy has no "default"'],
    ['{"default": []}', "1: the list of requirements is empty; write insecureAcceptAnything or reject"],
    [`{"default": ${ACCEPT},\n"more": 1}`, '2: the policy has the unknown key "more"'],
    [only('{"type": "accept"}'), '2: the requirement has the unknown type "accept"'],
    [only('{"type": "reject",\n"why": ""}'), '3: a requirement has the unknown key "why"'],
    [only('{"type": "signedBy", "keyPath": "/a"}'), '2: a requirement has no "keyType"'],
    [
      only('{"type": "signedBy", "keyType": "X509", "keyPath": "/a"}'),
      '2: keyType is "X509"; only "GPGKeys" is supported',
    ],
    [only('{"type": "signedBy", "keyType": "GPGKeys"}'), "2: one of keyPath, keyPaths and keyData must be there"],
    [
      only('{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/a", "keyData": "QQ=="}'),
      "2: keyPath and keyData cannot be there together",
    ],
    [only('{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "a"}'), '2: keyPath "a" is not an absolute path'],
    [only('{"type": "signedBy", "keyType": "GPGKeys", "keyData": "?"}'), "2: keyData is not base64"],
    [
      only('{"type": "sigstoreSigned", "keyPath": "/a", "fulcio": {}}'),
      "2: exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki must be there",
    ],
    [
      only(`{"type": "sigstoreSigned", "fulcio": ${FULCIO}}`),
      "2: with fulcio one of rekorPublicKeyPath, rekorPublicKeyPaths, rekorPublicKeyData and rekorPublicKeyDatas must be there",
    ],
    [
      only(
        '{"type": "sigstoreSigned", "rekorPublicKeyPath": "/r",\n"fulcio": {"oidcIssuer": "x", "subjectEmail": "y"}}',
      ),
      "3: one of caPath and caData must be there",
    ],
    [
      only('{"type": "sigstoreSigned", "rekorPublicKeyPath": "/r",\n"fulcio": {"caPath": "/a", "subjectEmail": "y"}}'),
      '3: fulcio has no "oidcIssuer"',
    ],
    [
      only('{"type": "sigstoreSigned", "rekorPublicKeyPath": "/r",\n"fulcio": {"caPath": "/a", "oidcIssuer": "y"}}'),
      '3: fulcio has no "subjectEmail"',
    ],
    [
      only(`{"type": "sigstoreSigned", "rekorPublicKeyPath": "/r",\n"fulcio": ${FULCIO.replace("{", '{"san": 1, ')}}`),
      '3: fulcio has the unknown key "san"',
    ],
    [
      only('{"type": "sigstoreSigned", "keyPath": "/a",\n"signedIdentity": {"type": "matchAll"}}'),
      '3: signedIdentity has the unknown type "matchAll"',
    ],
    [`{"default": ${ACCEPT}, "transports": {\n"dokcer": {}}}`, '2: transports has the unknown name "dokcer"'],
    [
      `{"default": ${ACCEPT}, "transports": {"docker": {\n"*.*.com": ${ACCEPT}}}}`,
      '2: the scope "*.*.com" has an asterisk that does not stand for the first parts of a domain (*.example.com)',
    ],
    [
      `{"default": ${ACCEPT}, "transports": {"docker": {"a b": ${ACCEPT}}}}`,
      '1: the scope "a b" is not a registry, namespace, repository or image',
    ],
    ["[]", "1: the policy is not an object"],
  ];
  for (const [text, expected] of cases) assertEquals(refusal(text), expected);
});

Deno.test("parsePolicy() keeps a rule that cannot be checked here, to refuse what it covers", () => {
  const [rule] = parsePolicy("/p.json", only('{"type": "sigstoreSigned", "pki": {"caRootsPath": "/x"}}')).default;
  assertEquals(rule.type === "sigstoreSigned" && rule.unsupported, "pki");
});

Deno.test("parsePolicy() reads a rule with fulcio", () => {
  const [rule] =
    parsePolicy("/p.json", only(`{"type": "sigstoreSigned", "fulcio": ${FULCIO}, "rekorPublicKeyData": "QUJD"}`))
      .default;
  assertEquals(rule.type === "sigstoreSigned" && [rule.keys, rule.logKeys, rule.fulcio, rule.unsupported], [
    [],
    [{ data: "QUJD" }],
    { ca: { path: "/ca" }, oidcIssuer: "https://i", subjectEmail: "a@b" },
    undefined,
  ]);
});
