import { assertEquals, assertThrows } from "@std/assert";
import { RpcError } from "../../../../src/rpc/status.ts";
import { DEFAULT_PATH, environment } from "../../../../src/oci/spec/environment.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { means, request, type RequestChanges } from "../support/requests.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const variable = (key: string, value: string | Uint8Array) => ({
  key,
  value: typeof value === "string" ? bytes(value) : value,
});

function ask(changes: RequestChanges, defaultEnv: string[] = []) {
  const section = newSection(request("/", changes), { ...means, config: { defaultEnv, pidsLimit: 0 } });
  return { env: environment(section, "/home/app"), notes: section.notes };
}

Deno.test("environment() sets PATH, HOSTNAME and HOME", () => {
  assertEquals(ask({}).env, [`PATH=${DEFAULT_PATH}`, "HOSTNAME=web-0", "HOME=/home/app"]);
});

Deno.test("environment() sets TERM with a terminal", () => {
  assertEquals(ask({ config: { tty: true } }).env.includes("TERM=xterm"), true);
});

Deno.test("environment() lets the request win over the image, and the image over the node's defaults", () => {
  const { env } = ask({
    image: { env: ["A=image", "B=image", "PATH=/img"] },
    config: { envs: [variable("A", "request")] },
  }, ["A=node", "B=node", "C=node"]);
  assertEquals(env, ["PATH=/img", "HOSTNAME=web-0", "HOME=/home/app", "A=request", "B=image", "C=node"]);
});

Deno.test("environment() keeps newlines, equals signs and every character of a value", () => {
  const { env } = ask({ config: { envs: [variable("KEY", "a=b\nc\t\u{1F40B}\uFEFF")] } });
  assertEquals(env.at(-1), "KEY=a=b\nc\t\u{1F40B}\uFEFF");
});

Deno.test("environment() refuses a value that is not UTF-8 and names its key, rather than change it", () => {
  const error = assertThrows(
    () => ask({ config: { envs: [variable("BLOB", new Uint8Array([0xff, 0x41]))] } }),
    RpcError,
  );
  assertEquals(error.message.startsWith('variable "BLOB": its value is not valid UTF-8'), true);
});

Deno.test("environment() passes over an image entry without a name and notes it", () => {
  const { env, notes } = ask({ image: { env: ["nonsense", "=x"] } });
  assertEquals([env.length, notes.length], [3, 2]);
});

for (const key of ["", "A=B", "A\nB", "A\0"]) {
  Deno.test(`environment() refuses the name ${JSON.stringify(key)}`, () => {
    assertThrows(() => ask({ config: { envs: [variable(key, "x")] } }), RpcError, "not a variable name");
  });
}

for (const home of ["/a\nroot:x:0:0", "/a\rb", "/a\u0085b", "/a:b"]) {
  Deno.test(`environment() CVE-2022-4318, CVE-2026-15809: refuses HOME ${JSON.stringify(home)}`, () => {
    assertThrows(() => ask({ config: { envs: [variable("HOME", home)] } }), RpcError, "HOME");
    assertThrows(() => ask({ image: { env: [`HOME=${home}`] } }), RpcError, "HOME");
  });
}

Deno.test("environment() refuses a NUL byte in a value", () => {
  assertThrows(() => ask({ config: { envs: [variable("A", "x\0y")] } }), RpcError, "NUL");
});

Deno.test("environment() (class: resource exhaustion) refuses a million variables at once, and one that execve could not take", () => {
  const many = Array.from({ length: 1_000_000 }, () => variable("A", "x"));
  const input = request("/");
  input.config.envs = many;
  const started = performance.now();
  assertThrows(() => environment(newSection(input, means), "/"), RpcError, "at most");
  assertEquals(performance.now() - started < 1000, true);
  assertThrows(() => ask({ config: { envs: [variable("LONG", "x".repeat(131072))] } }), RpcError, 'variable "LONG"');
});

Deno.test("environment() CVE-2021-21334: what one container gets does not reach the next of the same image", () => {
  const image = { env: ["A=image"] };
  ask({ image, config: { envs: [variable("SECRET", "1"), variable("A", "mine")] } });
  assertEquals(ask({ image }).env, [`PATH=${DEFAULT_PATH}`, "HOSTNAME=web-0", "HOME=/home/app", "A=image"]);
});
