import { assertEquals, assertThrows } from "@std/assert";
import { Code, RpcError } from "../../../../src/rpc/status.ts";
import { deviceSection } from "../../../../src/oci/spec/devices.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { kernel, S_IFBLK, S_IFCHR } from "../../../../src/sys/mod.ts";
import { means, request, type RequestChanges, withFolder } from "../support/requests.ts";

const ask = (changes: RequestChanges) => deviceSection(newSection(request("/nowhere", changes), means));
const device = (hostPath: string, containerPath = "", permissions = "rwm") => ({
  hostPath,
  containerPath,
  permissions,
});

Deno.test("deviceSection() denies all devices but the ones of the specification", () => {
  const { devices, rules } = ask({});
  assertEquals(devices, []);
  assertEquals(rules[0], { allow: false, access: "rwm" });
  assertEquals(
    rules.filter(({ allow, access }) => allow && access === "rwm").map(({ major, minor }) =>
      `${major}:${minor ?? "*"}`
    ),
    [
      "1:3",
      "1:5",
      "1:7",
      "1:8",
      "1:9",
      "5:0",
      "5:1",
      "5:2",
      "136:*",
    ],
  );
});

Deno.test("deviceSection() gives a device of the request with its permissions", () => {
  const { devices, rules } = ask({ config: { devices: [device("/dev/null", "/dev/nothing", "r")] } });
  assertEquals(devices.map(({ type, path, major, minor }) => ({ type, path, major, minor })), [{
    type: "c",
    path: "/dev/nothing",
    major: 1,
    minor: 3,
  }]);
  assertEquals(rules.at(-1), { allow: true, type: "c", major: 1, minor: 3, access: "r" });
});

Deno.test("deviceSection() follows a symlink to a device", () =>
  withFolder((folder) => {
    Deno.symlinkSync("/dev/zero", `${folder}/link`);
    const { devices } = ask({ config: { devices: [device(`${folder}/link`)] } });
    assertEquals([devices[0].path, devices[0].minor], [`${folder}/link`, 5]);
  }));

Deno.test({
  name: "deviceSection() expands a folder, symlinks not followed (root)",
  ignore: Deno.uid() !== 0,
  fn: () =>
    withFolder((folder) => {
      Deno.mkdirSync(`${folder}/sub`);
      kernel.mknod(`${folder}/a`, S_IFCHR | 0o660, 1, 3);
      kernel.mknod(`${folder}/sub/b`, S_IFBLK | 0o600, 259, 70000);
      Deno.symlinkSync("/dev", `${folder}/link`);
      Deno.writeTextFileSync(`${folder}/file`, "");
      const { devices } = ask({ config: { devices: [device(folder, "/dev/all")] } });
      assertEquals(devices.map(({ type, path, major, minor }) => `${type} ${path} ${major}:${minor}`), [
        "c /dev/all/a 1:3",
        "b /dev/all/sub/b 259:70000",
      ]);
    }),
});

Deno.test("deviceSection() gives a privileged container the node's devices, and the right to all", () => {
  const { devices, rules } = ask({ security: { privileged: true } });
  assertEquals(devices.some(({ path, major, minor }) => path === "/dev/null" && major === 1 && minor === 3), true);
  assertEquals(devices.filter(({ path }) => /^\/dev\/(pts|shm|mqueue|fd|console|ptmx)(\/|$)/.test(path)), []);
  assertEquals(rules, [{ allow: true, access: "rwm" }]);
});

const refused: [string, ReturnType<typeof device>, string][] = [
  ["a device that is not there", device("/dev/no-such-device"), "not there"],
  ["a plain file", device("/etc/passwd"), "neither a character or block device"],
  ["unknown permissions", device("/dev/null", "", "rx"), "permissions"],
  ["doubled permissions", device("/dev/null", "", "rr"), "permissions"],
  ["a relative path", device("null"), "absolute"],
  ["a relative path in the container", device("/dev/null", "null"), "absolute"],
];
for (const [name, wanted, message] of refused) {
  Deno.test(`deviceSection() refuses ${name}`, () => {
    assertThrows(() => ask({ config: { devices: [wanted] } }), RpcError, message);
  });
}

Deno.test("deviceSection() answers UNIMPLEMENTED to a CDI device", () => {
  const error = assertThrows(() => ask({ config: { CDIDevices: [{ name: "vendor.com/gpu=0" }] } }), RpcError);
  assertEquals(error.code, Code.UNIMPLEMENTED);
});

Deno.test("deviceSection() CVE-2026-53492: annotations of the request give no device", () => {
  const annotations = { "cdi.k8s.io/x": "vendor.com/gpu=0", "io.kubernetes.cri-o.Devices": "/dev/kmsg" };
  assertEquals(ask({ config: { annotations } }).devices, []);
});
