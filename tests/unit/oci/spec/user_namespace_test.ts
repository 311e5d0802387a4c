import { assertEquals, assertThrows } from "@std/assert";
import { NamespaceMode, NamespaceOption } from "../../../../proto/gen/runtime/v1/api.ts";
import { buildPauseSpec, buildSpec, podUserNamespace } from "../../../../src/oci/mod.ts";
import { RpcError } from "../../../../src/rpc/status.ts";
import { means, node, request, type RequestChanges, sandbox, USERNS, withFolder } from "../support/requests.ts";

const range = (hostId: number, containerId = 0, length = 65_536) => [{ containerId, hostId, length }];
const mapped = { mode: NamespaceMode.POD, uids: range(100_000), gids: range(200_000) };
const pod = (usernsOptions: Record<string, unknown>, more = {}) =>
  podUserNamespace(NamespaceOption.fromPartial({ pid: NamespaceMode.CONTAINER, usernsOptions, ...more }));

Deno.test("podUserNamespace() takes one range of users and one of groups", () => {
  assertEquals(pod(mapped), { uids: USERNS.uids, gids: USERNS.gids });
});

Deno.test("podUserNamespace() is undefined where the pod uses the node's", () => {
  assertEquals(podUserNamespace(undefined), undefined);
  assertEquals(podUserNamespace(NamespaceOption.fromPartial({})), undefined);
  assertEquals(pod({ mode: NamespaceMode.NODE }), undefined);
});

const refusals: [string, Record<string, unknown>, Record<string, unknown>, string][] = [
  ["two ranges", { ...mapped, uids: [...range(1), ...range(2)] }, {}, "uids: 2 mappings"],
  ["no groups", { ...mapped, gids: [] }, {}, "gids: 0 mappings"],
  ["a range without root", { ...mapped, uids: range(1000, 1) }, {}, "must begin at 0"],
  ["an empty range", { ...mapped, uids: range(1000, 0, 0) }, {}, "not a range"],
  ["a range beyond the last ID", { ...mapped, gids: range(2 ** 32 - 5, 0, 10) }, {}, "not a range"],
  ["CONTAINER", { mode: NamespaceMode.CONTAINER }, {}, "CONTAINER"],
  ["TARGET", { mode: NamespaceMode.TARGET }, {}, "TARGET"],
  ["the node's PIDs", mapped, { pid: NamespaceMode.NODE }, "PID"],
  ["the node's IPC", mapped, { ipc: NamespaceMode.NODE }, "IPC"],
];
for (const [what, options, more, words] of refusals) {
  Deno.test(`podUserNamespace() refuses ${what}`, () => {
    assertThrows(() => pod(options, more), RpcError, words);
  });
}

function build(changes: RequestChanges) {
  let spec!: ReturnType<typeof buildSpec>["spec"];
  return withFolder((folder) => {
    spec = buildSpec(request(folder, changes), means).spec;
  }).then(() => spec);
}

const withOptions = (usernsOptions?: Record<string, unknown>): RequestChanges => ({
  security: { namespaceOptions: { pid: NamespaceMode.CONTAINER, usernsOptions } },
  sandbox: { userns: USERNS },
});

Deno.test("buildSpec() writes the pod's mappings and the sysctls that only its root can set", async () => {
  const changes = withOptions(mapped);
  const { linux } = await build({ ...changes, sandbox: { userns: USERNS, sysctls: { "kernel.msgmax": "1" } } });
  assertEquals([linux.uidMappings, linux.gidMappings], [[USERNS.uids], [USERNS.gids]]);
  assertEquals(linux.sysctl, { "kernel.msgmax": "1" });
  assertEquals((await build(withOptions(undefined))).linux.uidMappings, [USERNS.uids]);
});

Deno.test("buildSpec() refuses a container with other mappings than its pod", async () => {
  for (
    const changes of [
      withOptions({ ...mapped, uids: range(300_000) }),
      withOptions({ mode: NamespaceMode.NODE }),
      { ...withOptions(mapped), sandbox: { userns: undefined } },
    ]
  ) {
    await build(changes).then(
      () => Promise.reject(new Error("it was taken")),
      (error) => assertEquals(error.message.includes("not those of the pod"), true, error.message),
    );
  }
});

Deno.test("buildSpec() refuses a user that the namespace has not", async () => {
  const changes = withOptions(mapped);
  const security = { ...changes.security, runAsUser: { value: 65_536n } };
  const error = await build({ ...changes, security }).catch((error) => error);
  assertEquals(error.message, "user: 65536 is not in the pod's user namespace, which has IDs from 0 to 65535");
});

Deno.test("buildSpec() binds the node's /sys where the user namespace does not own the network", async () => {
  const changes = withOptions(mapped);
  const sysOf = async (part: RequestChanges) =>
    (await build({ ...changes, ...part })).mounts.find(({ destination }) => destination === "/sys");
  assertEquals((await sysOf({}))?.type, "sysfs");
  const onNode = { sandbox: { userns: USERNS, netns: undefined } };
  assertEquals(await sysOf(onNode), {
    destination: "/sys",
    type: "bind",
    source: "/sys",
    options: ["rbind", "rprivate", "nosuid", "noexec", "nodev", "rro"],
  });
  const none = { recursiveReadOnlyMounts: false, idmappedMounts: false, userNamespaces: true };
  assertEquals((await sysOf({ ...onNode, input: { features: none } }))?.options.at(-1), "ro");
});

Deno.test("buildPauseSpec() joins the user namespace as its highest user at most", () => {
  const { config } = sandbox();
  const input = {
    id: "p",
    config,
    hostname: "h",
    root: "/r",
    placement: { cgroupsPath: "/c", paths: {} },
    node: node(),
  };
  const small = { ...USERNS, uids: { ...USERNS.uids, size: 1000 } };
  const spec = buildPauseSpec({ ...input, userns: small });
  assertEquals(spec.process.user, { uid: 999, gid: 65535 });
  assertEquals(spec.linux.namespaces.find(({ type }) => type === "user"), { type: "user", path: USERNS.path });
  assertEquals(spec.linux.uidMappings, [small.uids]);
});
