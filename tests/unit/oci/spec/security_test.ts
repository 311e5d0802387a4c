import { assertEquals, assertThrows } from "@std/assert";
import { SecurityProfile_ProfileType as ProfileType, Signal } from "../../../../proto/gen/runtime/v1/api.ts";
import { RpcError } from "../../../../src/rpc/status.ts";
import { identityAnnotations } from "../../../../src/oci/spec/annotations.ts";
import { apparmorProfile } from "../../../../src/oci/spec/apparmor.ts";
import { newSection } from "../../../../src/oci/spec/section.ts";
import { selinuxLabels } from "../../../../src/oci/spec/selinux.ts";
import { stopSignalEnum, stopSignalNumber } from "../../../../src/oci/spec/stop_signal.ts";
import { means, request, type RequestChanges } from "../support/requests.ts";

const section = (changes: RequestChanges) => newSection(request("/", changes), means);
const apparmor = (profileType: ProfileType, localhostRef = "") => ({
  security: { apparmor: { profileType, localhostRef } },
});

Deno.test("apparmorProfile() accepts RuntimeDefault and Unconfined on a node without AppArmor", () => {
  for (const type of [ProfileType.RuntimeDefault, ProfileType.Unconfined]) {
    assertEquals(apparmorProfile(section(apparmor(type))), undefined);
  }
  for (const apparmorText of ["runtime/default", "unconfined", ""]) {
    assertEquals(apparmorProfile(section({ security: { apparmorProfile: apparmorText } })), undefined);
  }
});

Deno.test("apparmorProfile() refuses a Localhost profile that cannot be applied, by either field", () => {
  assertThrows(() => apparmorProfile(section(apparmor(ProfileType.Localhost, "mine"))), RpcError, "has no AppArmor");
  assertThrows(
    () => apparmorProfile(section({ security: { apparmorProfile: "localhost/mine" } })),
    RpcError,
    "has no AppArmor",
  );
  assertThrows(() => apparmorProfile(section(apparmor(ProfileType.Localhost))), RpcError, "empty");
  assertThrows(() => apparmorProfile(section({ security: { apparmorProfile: "mine" } })), RpcError, "none of");
});

const selinuxOptions = { user: "", role: "", type: "", level: "s0:c1,c2" };

Deno.test("selinuxLabels() does nothing where SELinux is off, for privileged containers, or without options", () => {
  assertEquals(selinuxLabels(section({ security: { selinuxOptions } })), undefined);
  assertEquals(
    selinuxLabels(section({ security: { selinuxOptions, privileged: true }, node: { selinux: true } })),
    undefined,
  );
  assertEquals(selinuxLabels(section({ node: { selinux: true } })), undefined);
});

Deno.test("selinuxLabels() completes a level, and refuses what is no label", () => {
  assertEquals(selinuxLabels(section({ security: { selinuxOptions }, node: { selinux: true } })), {
    process: "system_u:system_r:container_t:s0:c1,c2",
    mount: "system_u:object_r:container_file_t:s0:c1,c2",
  });
  assertThrows(
    () =>
      selinuxLabels(
        section({ security: { selinuxOptions: { ...selinuxOptions, type: "a b" } }, node: { selinux: true } }),
      ),
    RpcError,
    "SELinux",
  );
});

Deno.test("identityAnnotations() CVE-2024-3154, CVE-2026-53488: annotations and labels of pods and images never reach the runtime", () => {
  const annotations = {
    "org.systemd.property.ExecStartPre": "x",
    "run.oci.keep_original_groups": "1",
    "io.kubernetes.cri.container-type": "sandbox",
  };
  const input = request("/", { config: { annotations, labels: annotations } });
  input.sandbox.config.annotations = annotations;
  input.sandbox.config.labels = annotations;
  assertEquals(identityAnnotations(input), {
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.sandbox-id": "pod1",
    "io.kubernetes.cri.sandbox-name": "web",
    "io.kubernetes.cri.sandbox-namespace": "default",
    "io.kubernetes.cri.sandbox-uid": "u1",
    "io.kubernetes.cri.container-id": "c1",
    "io.kubernetes.cri.container-name": "main",
    "io.kubernetes.cri.image-name": "sha256:1",
  });
});

const signals: [Signal, string, number][] = [
  [Signal.SIGNAL_RUNTIME_DEFAULT, "", 15],
  [Signal.SIGNAL_RUNTIME_DEFAULT, "SIGQUIT", 3],
  [Signal.SIGNAL_RUNTIME_DEFAULT, "usr1", 10],
  [Signal.SIGNAL_RUNTIME_DEFAULT, "9", 9],
  [Signal.SIGNAL_RUNTIME_DEFAULT, "SIGRTMIN+3", 37],
  [Signal.SIGNAL_SIGHUP, "SIGQUIT", 1],
  [Signal.SIGNAL_SIGRTMIN, "", 34],
  [Signal.SIGNAL_SIGRTMINPLUS15, "", 49],
  [Signal.SIGNAL_SIGRTMAXMINUS1, "", 63],
  [Signal.SIGNAL_SIGRTMAX, "", 64],
];
for (const [requested, ofImage, expected] of signals) {
  Deno.test(`stopSignalNumber() of ${Signal[requested]} and image ${JSON.stringify(ofImage)} is ${expected}`, () => {
    assertEquals(stopSignalNumber(requested, ofImage), expected);
  });
}

Deno.test("stopSignalNumber() knows all 65 signals of the CRI, and stopSignalEnum() the way back", () => {
  const all = Object.values(Signal).filter((value): value is Signal => typeof value === "number" && value > 0);
  assertEquals(all.length, 65);
  for (const signal of all) {
    const number = stopSignalNumber(signal, "");
    assertEquals(stopSignalNumber(stopSignalEnum(number), ""), number);
  }
});

Deno.test("stopSignalNumber() refuses what is no signal", () => {
  for (const text of ["SIGFLY", "0", "65", "RTMIN+31", "RTMAX+1"]) {
    assertThrows(() => stopSignalNumber(Signal.SIGNAL_RUNTIME_DEFAULT, text), RpcError, "not a signal");
  }
});
