import { assertEquals, assertThrows } from "@std/assert";
import { SecurityProfile_ProfileType as ProfileType } from "../../../../proto/gen/runtime/v1/api.ts";
import { RpcError } from "../../../../src/rpc/status.ts";
import { seccomp } from "../../../../src/oci/spec/seccomp.ts";
import { DEFAULT_PROFILE } from "../../../../src/oci/spec/seccomp_default.ts";
import { type OciSeccomp, parseProfile, resolveProfile } from "../../../../src/oci/spec/seccomp_profile.ts";
import { kernel } from "../../../../src/sys/mod.ts";
import { node, withFolder } from "../support/requests.ts";

function ask(
  profile: { profileType: ProfileType; localhostRef?: string } | undefined,
  options: { privileged?: boolean; deprecatedPath?: string; off?: boolean } = {},
) {
  const notes: string[] = [];
  const filter = seccomp(
    {
      profile: profile && { localhostRef: "", ...profile },
      deprecatedPath: options.deprecatedPath ?? "",
      privileged: options.privileged ?? false,
      capabilities: ["CAP_CHOWN", "CAP_SYS_CHROOT"],
    },
    kernel,
    node({ seccomp: !options.off }),
    notes,
  );
  return { filter, notes };
}

const RuntimeDefault = { profileType: ProfileType.RuntimeDefault };
const actionOf = (filter: OciSeccomp | undefined, name: string) =>
  filter?.syscalls.filter(({ names, args }) => names.includes(name) && !args).map(({ action }) => action);

Deno.test("seccomp() gives RuntimeDefault the built-in profile", () => {
  const { filter } = ask(RuntimeDefault);
  assertEquals(filter?.defaultAction, "SCMP_ACT_ERRNO");
  assertEquals(actionOf(filter, "read"), ["SCMP_ACT_ALLOW"]);
  assertEquals(actionOf(filter, "chroot"), ["SCMP_ACT_ALLOW"]);
  for (const name of ["mount", "bpf", "reboot", "kexec_load", "add_key", "userfaultfd", "io_uring_setup"]) {
    assertEquals(actionOf(filter, name), [], name);
  }
  assertEquals(filter!.syscalls.find(({ names }) => names.includes("clone3"))?.errnoRet, 38);
});

Deno.test("seccomp() gives no filter: nothing asked for, Unconfined, or privileged", () => {
  assertEquals(ask(undefined).filter, undefined);
  assertEquals(ask({ profileType: ProfileType.Unconfined }).filter, undefined);
  assertEquals(ask(RuntimeDefault, { privileged: true }).filter, undefined);
});

Deno.test("seccomp() reads the deprecated path where there is no profile", () => {
  assertEquals(ask(undefined, { deprecatedPath: "runtime/default" }).filter?.defaultAction, "SCMP_ACT_ERRNO");
  assertEquals(ask(undefined, { deprecatedPath: "unconfined" }).filter, undefined);
  assertThrows(() => ask(undefined, { deprecatedPath: "whatever" }), RpcError, "none of");
});

Deno.test("seccomp() notes RuntimeDefault and refuses Localhost where the kernel has no filters", () => {
  assertEquals(ask(RuntimeDefault, { off: true }).notes.length, 1);
  assertThrows(
    () => ask({ profileType: ProfileType.Localhost, localhostRef: "/p.json" }, { off: true }),
    RpcError,
    "no seccomp filters",
  );
});

Deno.test("seccomp() reads a Localhost profile, old and new form of names", () =>
  withFolder((folder) => {
    const path = `${folder}/profile.json`;
    const localhost = { profileType: ProfileType.Localhost, localhostRef: path };
    Deno.writeTextFileSync(
      path,
      JSON.stringify({
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ name: "chmod", action: "SCMP_ACT_ERRNO" }, {
          names: ["fchmodat"],
          action: "SCMP_ACT_ERRNO",
          args: [],
        }],
      }),
    );
    assertEquals(ask(localhost).filter, {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["chmod"], action: "SCMP_ACT_ERRNO" }, { names: ["fchmodat"], action: "SCMP_ACT_ERRNO" }],
    });
    assertEquals(ask(undefined, { deprecatedPath: `localhost/${path}` }).filter?.syscalls.length, 2);
  }));

Deno.test("seccomp() refuses a Localhost profile that is relative, missing or too large", () =>
  withFolder((folder) => {
    const localhost = (localhostRef: string) => ask({ profileType: ProfileType.Localhost, localhostRef });
    assertThrows(() => localhost("profile.json"), RpcError, "absolute");
    assertThrows(() => localhost(`${folder}/none.json`), RpcError, "cannot be read");
    Deno.writeTextFileSync(`${folder}/large.json`, "");
    Deno.truncateSync(`${folder}/large.json`, 8 * 2 ** 30);
    assertThrows(() => localhost(`${folder}/large.json`), RpcError, "cannot be read");
  }));

const malformed: [string, string, string][] = [
  ["text", "{", "not JSON"],
  ["a list", "[]", "not a JSON object"],
  ["no default action", "{}", "defaultAction"],
  ["an action that needs an agent", '{"defaultAction":"SCMP_ACT_NOTIFY"}', "defaultAction"],
  ["syscalls that are no list", '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', "syscalls is not a list"],
  [
    "a rule without names",
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_LOG"}]}',
    "syscalls[0] has no names",
  ],
  [
    "an unknown operator",
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["x"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"op":"X"}]}]}',
    "not an operator",
  ],
  [
    "names that are numbers",
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[1],"action":"SCMP_ACT_LOG"}]}',
    "list of words",
  ],
];
for (const [name, text, message] of malformed) {
  Deno.test(`parseProfile() refuses ${name}`, () => {
    assertThrows(() => parseProfile("profile", text), RpcError, message);
  });
}

const facts = { capabilities: [] as string[], architecture: "x86_64", kernelVersion: [6, 1] as [number, number] };
const has = (changes: Partial<typeof facts>, name: string) =>
  resolveProfile(DEFAULT_PROFILE, { ...facts, ...changes }).syscalls.some(({ names, action }) =>
    names.includes(name) && action === "SCMP_ACT_ALLOW"
  );

Deno.test("resolveProfile() names the architecture with its 32-bit relatives", () => {
  assertEquals(resolveProfile(DEFAULT_PROFILE, facts).architectures, [
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X32",
  ]);
  assertEquals(resolveProfile(DEFAULT_PROFILE, { ...facts, architecture: "aarch64" }).architectures, [
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_ARM",
  ]);
});

Deno.test("resolveProfile() adds calls with their capability, architecture and kernel", () => {
  assertEquals([has({}, "mount"), has({ capabilities: ["CAP_SYS_ADMIN"] }, "mount")], [false, true]);
  assertEquals([has({}, "arch_prctl"), has({ architecture: "aarch64" }, "arch_prctl")], [true, false]);
  assertEquals([has({}, "ptrace"), has({ kernelVersion: [4, 7] }, "ptrace")], [true, false]);
  assertEquals([has({}, "clone3"), has({ capabilities: ["CAP_SYS_ADMIN"] }, "clone3")], [false, true]);
});

Deno.test("resolveProfile() allows no AF_ALG and no AF_VSOCK socket", () => {
  const { syscalls } = resolveProfile(DEFAULT_PROFILE, facts);
  const families = syscalls.filter(({ names }) => names[0] === "socket").map(({ args }) => args![0].value);
  assertEquals([families.includes(38), families.includes(40), families.includes(10)], [false, false, true]);
  assertEquals([families.length, new Set(families).size], [32, 32]);
});
