import { assertEquals, assertThrows } from "@std/assert";
import { buildExecProcess, type Process } from "../../../src/oci/mod.ts";
import { RpcError } from "../../../src/rpc/status.ts";

const container: Process = {
  user: { uid: 5, gid: 6, additionalGids: [6] },
  args: ["sleep"],
  env: ["A=1"],
  cwd: "/srv",
  oomScoreAdj: 3,
  noNewPrivileges: true,
};

Deno.test("buildExecProcess() keeps all of the container's process but its command", () => {
  assertEquals(buildExecProcess(container, ["ls", "-l"], false), { ...container, args: ["ls", "-l"], terminal: false });
  assertEquals(container.args, ["sleep"]);
});

Deno.test("buildExecProcess() sets TERM with a terminal, unless it is set", () => {
  assertEquals(buildExecProcess(container, ["ls"], true).env, ["A=1", "TERM=xterm"]);
  assertEquals(buildExecProcess({ ...container, env: ["TERM=vt100"] }, ["ls"], true).env, ["TERM=vt100"]);
});

for (
  const [name, command] of Object.entries({
    none: [],
    empty: [""],
    "with a NUL byte": ["ls", "a\0b"],
    "too long": ["ls", "x".repeat(131072)],
  })
) {
  Deno.test(`buildExecProcess() refuses a command: ${name}`, () => {
    assertThrows(() => buildExecProcess(container, command, false), RpcError);
  });
}
