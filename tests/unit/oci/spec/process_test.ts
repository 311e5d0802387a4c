import { assertEquals, assertThrows } from "@std/assert";
import { RpcError } from "../../../../src/rpc/status.ts";
import { processSection } from "../../../../src/oci/spec/process.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { means, request, type RequestChanges, withFolder } from "../support/requests.ts";

const account = { uid: 0, gid: 0, additionalGids: [0], home: "/root" };

function ask(rootfs: string, changes: RequestChanges) {
  return processSection(newSection(request(rootfs, changes), means), account);
}

const image = { entrypoint: ["/entry", "e"], cmd: ["c"] };
const vectors: [string, RequestChanges, string[]][] = [
  ["neither command nor args: ENTRYPOINT and CMD", { image, config: { command: [] } }, ["/entry", "e", "c"]],
  ["command only: CMD is dropped", { image, config: { command: ["x"] } }, ["x"]],
  ["args only: ENTRYPOINT stays", { image, config: { command: [], args: ["a"] } }, ["/entry", "e", "a"]],
  ["both", { image, config: { command: ["x"], args: ["a"] } }, ["x", "a"]],
];
for (const [name, changes, expected] of vectors) {
  Deno.test(`processSection() argv, ${name}`, () => assertEquals(ask("/nowhere", changes).args, expected));
}

Deno.test("processSection() refuses a container without a command", () => {
  assertThrows(() => ask("/nowhere", { config: { command: [] } }), RpcError, "neither ENTRYPOINT nor CMD");
  assertThrows(() => ask("/nowhere", { config: { command: [""] } }), RpcError, "empty");
});

Deno.test("processSection() cwd: request over image over /, normalised", () => {
  assertEquals(ask("/nowhere", {}).cwd, "/");
  assertEquals(ask("/nowhere", { image: { workingDir: "/srv//app/" } }).cwd, "/srv/app");
  assertEquals(ask("/nowhere", { image: { workingDir: "/srv" }, config: { workingDir: "/w/../x" } }).cwd, "/x");
});

for (
  const workingDir of [
    "/proc/self/fd/7",
    "/proc/self/fd/7/../../..",
    "/proc/1/root",
    "/proc/thread-self/cwd",
    "//proc//self/fd/8/..",
  ]
) {
  Deno.test(`processSection() CVE-2024-21626: refuses WORKDIR ${workingDir}`, () => {
    if (workingDir === "/proc/self/fd/7/../../..") {
      return assertEquals(ask("/nowhere", { image: { workingDir } }).cwd, "/proc");
    }
    assertThrows(() => ask("/nowhere", { image: { workingDir } }), RpcError, "process's own folder");
  });
}

Deno.test("processSection() CVE-2024-21626: refuses a WORKDIR that the image links to /proc/self/fd/7", () =>
  withFolder((rootfs) => {
    Deno.mkdirSync(`${rootfs}/srv`);
    Deno.symlinkSync("../proc/self/fd", `${rootfs}/srv/link`);
    Deno.symlinkSync("/srv/link/7", `${rootfs}/work`);
    assertThrows(() => ask(rootfs, { image: { workingDir: "/work" } }), RpcError, "process's own folder");
    assertThrows(() => ask(rootfs, { config: { workingDir: "/srv/link/7" } }), RpcError, "process's own folder");
  }));

Deno.test("processSection() refuses a WORKDIR in a loop of symlinks", () =>
  withFolder((rootfs) => {
    Deno.symlinkSync("loop", `${rootfs}/loop`);
    assertThrows(() => ask(rootfs, { image: { workingDir: "/loop" } }), RpcError, "symlinks");
  }));

for (const workingDir of ["relative", "/a\nb", "/a\u0085b", "/a:b", "/a\0b"]) {
  Deno.test(`processSection() CVE-2026-15809: refuses WORKDIR ${JSON.stringify(workingDir)}`, () => {
    assertThrows(() => ask("/nowhere", { image: { workingDir } }), RpcError);
  });
}

Deno.test("processSection() clamps oom_score_adj to what can be written, and never inherits the daemon's", () => {
  assertEquals(ask("/nowhere", { resources: { oomScoreAdj: -997n } }).oomScoreAdj, -997);
  assertEquals(ask("/nowhere", { resources: { oomScoreAdj: -997n }, node: { minOomScoreAdj: 0 } }).oomScoreAdj, 0);
  assertEquals(ask("/nowhere", {}).oomScoreAdj, 0);
  assertThrows(() => ask("/nowhere", { resources: { oomScoreAdj: 1001n } }), RpcError, "oom_score_adj");
});

Deno.test("processSection() clamps the limit of open files to the daemon's hard limit without CAP_SYS_RESOURCE", () => {
  const rlimits = { RLIMIT_NOFILE: { soft: 1024, hard: 20000 } };
  assertEquals(ask("/nowhere", { node: { rlimits, capabilities: [] } }).rlimits, [{
    type: "RLIMIT_NOFILE",
    soft: 20000,
    hard: 20000,
  }]);
  assertEquals(ask("/nowhere", { node: { rlimits } }).rlimits, [{
    type: "RLIMIT_NOFILE",
    soft: 1048576,
    hard: 1048576,
  }]);
});

Deno.test("processSection() carries no_new_privs and the terminal", () => {
  const { noNewPrivileges, terminal } = ask("/nowhere", { config: { tty: true }, security: { noNewPrivs: true } });
  assertEquals([noNewPrivileges, terminal], [true, true]);
});
