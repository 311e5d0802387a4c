import { assertEquals, assertThrows } from "@std/assert";
import { RpcError } from "../../../../src/rpc/status.ts";
import { capabilities, DEFAULT_CAPABILITIES } from "../../../../src/oci/spec/capabilities.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { CAPABILITIES } from "../../../../src/sys/mod.ts";
import { means, request, type RequestChanges } from "../support/requests.ts";

const ALL = [...CAPABILITIES];
const DEFAULT = ALL.filter((name) => DEFAULT_CAPABILITIES.includes(name));
const without = (...names: string[]) => DEFAULT.filter((name) => !names.includes(name));

function ask(changes: RequestChanges) {
  const section = newSection(request("/", changes), means);
  return { ...capabilities(section), notes: section.notes };
}

const add = (...addCapabilities: string[]) => ({ security: { capabilities: { addCapabilities } } });

const table: [string, RequestChanges, string[]][] = [
  ["gives the default fourteen", {}, DEFAULT],
  [
    "adds a name without prefix, in any case",
    add("net_admin"),
    ALL.filter((name) => DEFAULT.includes(name) || name === "CAP_NET_ADMIN"),
  ],
  ["drops a name", { security: { capabilities: { dropCapabilities: ["CAP_NET_RAW"] } } }, without("CAP_NET_RAW")],
  ["adds ALL", add("ALL"), ALL],
  [
    "adds after dropping ALL",
    { security: { capabilities: { dropCapabilities: ["ALL"], addCapabilities: ["CHOWN"] } } },
    ["CAP_CHOWN"],
  ],
  ["drops a name of added ALL", {
    security: { capabilities: { addCapabilities: ["all"], dropCapabilities: ["SYS_ADMIN"] } },
  }, ALL.filter((name) => name !== "CAP_SYS_ADMIN")],
  ["gives a privileged container everything", {
    security: { privileged: true, capabilities: { dropCapabilities: ["ALL"] } },
  }, ALL],
];

for (const [name, changes, expected] of table) {
  Deno.test(`capabilities() ${name}`, () => {
    const { bounding, effective, permitted } = ask(changes);
    assertEquals(bounding, expected);
    assertEquals(effective, expected);
    assertEquals(permitted, expected);
  });
}

Deno.test("capabilities() CVE-2022-27652, CVE-2022-24769: inheritable is empty, also for ALL and privileged", () => {
  for (const changes of [{}, add("ALL"), add("NET_ADMIN"), { security: { privileged: true } }]) {
    assertEquals(ask(changes).inheritable, []);
  }
});

Deno.test("capabilities() CVE-2018-1000400: ambient is empty unless it was asked for", () => {
  assertEquals(ask(add("NET_ADMIN")).ambient, []);
  const asked = ask({ security: { capabilities: { addAmbientCapabilities: ["NET_BIND_SERVICE"] } } });
  assertEquals([asked.ambient, asked.inheritable], [["CAP_NET_BIND_SERVICE"], ["CAP_NET_BIND_SERVICE"]]);
});

Deno.test("capabilities() gives only what the node has, and says so for a name that was asked for", () => {
  const capabilitiesOfNode = ALL.filter((name) => name !== "CAP_SYS_RESOURCE");
  const { bounding, notes } = ask({ ...add("SYS_RESOURCE"), node: { capabilities: capabilitiesOfNode } });
  assertEquals(bounding, DEFAULT);
  assertEquals(notes, ["capability CAP_SYS_RESOURCE is not given: skiff does not have it itself"]);
  assertEquals(
    ask({ security: { privileged: true }, node: { capabilities: capabilitiesOfNode } }).bounding,
    capabilitiesOfNode,
  );
});

for (const field of ["addCapabilities", "dropCapabilities", "addAmbientCapabilities"]) {
  Deno.test(`capabilities() refuses an unknown name in ${field}`, () => {
    const error = assertThrows(() => ask({ security: { capabilities: { [field]: ["CAP_FLY"] } } }), RpcError);
    assertEquals(error.message.includes('"CAP_FLY" is not a capability'), true);
  });
}
