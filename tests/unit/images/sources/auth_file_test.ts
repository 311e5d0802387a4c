import { assertEquals, assertThrows } from "@std/assert";
import { AuthFile, decodeBasic } from "../../../../src/images/sources/auth_file.ts";
import { requestAuth } from "../../../../src/images/sources/credentials.ts";

const found = (document: unknown, repository: string) => new AuthFile(JSON.stringify(document)).find(repository);

Deno.test("AuthFile.find() takes the longest part of the name", () => {
  const auths = {
    "example.com": { auth: btoa("host:1") },
    "example.com/team": { username: "team", password: "2" },
    "example.com/team/app": { auth: btoa("app:3") },
  };
  const user = (repository: string) => {
    const finding = found({ auths }, repository);
    return finding?.kind === "entry" ? [finding.key, finding.auth.username, finding.auth.password] : finding;
  };
  assertEquals(user("example.com/team/app"), ["example.com/team/app", "app", "3"]);
  assertEquals(user("example.com/team/app2"), ["example.com/team", "team", "2"]);
  assertEquals(user("example.com/teams"), ["example.com", "host", "1"]);
  assertEquals(user("example.com:5000/team/app"), undefined);
  assertEquals(user("other.com/team/app"), undefined);
});

Deno.test("AuthFile.find() knows docker's addresses, tokens, and entries without anything in them", () => {
  const auths = {
    "https://index.docker.io/v1/": { auth: btoa("d:p"), identitytoken: "it" },
    "https://quay.io/v2/": { registrytoken: "rt" },
    "empty.test": {},
  };
  assertEquals(found({ auths }, "docker.io/library/busybox"), {
    kind: "entry",
    key: "docker.io",
    auth: { identityToken: "it", username: "d", password: "p" },
  });
  assertEquals(found({ auths }, "quay.io/a"), { kind: "entry", key: "quay.io", auth: { registryToken: "rt" } });
  assertEquals(found({ auths }, "empty.test/a"), undefined);
});

Deno.test("AuthFile.find() asks the program of the host first, and the store of all last", () => {
  const document = {
    auths: { "a.test": { auth: btoa("u:p") }, "b.test": { auth: btoa("u:p") }, "c.test": {} },
    credHelpers: { "a.test": "ecr-login" },
    credsStore: "pass",
  };
  assertEquals(found(document, "a.test/x"), { kind: "program", key: "a.test", program: "ecr-login" });
  assertEquals(found(document, "b.test/x")?.kind, "entry");
  assertEquals(found(document, "c.test/x"), { kind: "program", key: "c.test", program: "pass" });
});

Deno.test("AuthFile refuses what is wrong without showing it", () => {
  const wrong: [string, string][] = [
    ["s3cret", "is not JSON"],
    ['["s3cret"]', "is not an object"],
    ['{"auths":{"a":"s3cret"}}', "is not an object"],
    [`{"auths":{"a.test":{"auth":"${btoa("s3cret")}"}}}`, "not base64 of user:password"],
    ['{"credHelpers":{"a":"../../s3cret"}}', "must be names"],
    ['{"credsStore":"s3cret/x"}', "must be names"],
  ];
  for (const [text, part] of wrong) {
    const { message } = assertThrows(() => new AuthFile(text), Error);
    assertEquals([message.includes(part), message.includes("s3cret")], [true, false], message);
  }
});

Deno.test("decodeBasic() splits at the first colon, reads UTF-8, and drops zeros that docker adds", () => {
  assertEquals(decodeBasic(btoa("u:p:q\0\0")), { username: "u", password: "p:q" });
  assertEquals(decodeBasic("dTpww6Q="), { username: "u", password: "pä" });
  for (const wrong of ["!", btoa("nocolon")]) assertThrows(() => decodeBasic(wrong), Error, "user:password");
});

Deno.test("requestAuth() takes all forms, but not those that name another server", () => {
  assertEquals(requestAuth({ username: "u", password: "p" }, ["a.test"]), { username: "u", password: "p" });
  assertEquals(requestAuth({ auth: btoa("u:p") }, ["a.test"]), { username: "u", password: "p" });
  assertEquals(requestAuth({ identityToken: "i" }, ["a.test"]), { identityToken: "i" });
  assertEquals(requestAuth({ registryToken: "r" }, ["a.test"]), { registryToken: "r" });
  const named = (serverAddress: string, ...hosts: string[]) => requestAuth({ username: "u", serverAddress }, hosts);
  assertEquals(named("https://a.test/v2/", "a.test")?.username, "u");
  assertEquals(named("a.test:443", "a.test")?.username, "u");
  assertEquals(named("https://index.docker.io/v1/", "docker.io", "registry-1.docker.io")?.username, "u");
  assertEquals(named("b.test", "a.test"), undefined);
  assertEquals(named("a.test.evil.org", "a.test"), undefined);
  const { message } = assertThrows(() => requestAuth({ auth: "s3cret!" }, ["a.test"]), Error);
  assertEquals(message, "auth.auth: is not base64 of user:password");
});
