import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConfigError, resolveConfig } from "../../../src/config/mod.ts";
import { load } from "./support.ts";

const installed = (...paths: string[]) => (path: string) => paths.includes(path);

Deno.test("resolveConfig() takes the first program found, and a folder below state for each runtime", () => {
  const exists = installed("/usr/bin/crun", "/usr/local/sbin/runc", "/usr/sbin/runc", "/usr/libexec/podman/conmon");
  const config = resolveConfig(load("state: /run/skiff/x"), exists);
  assertEquals(config.runtimes, {
    runc: { path: "/usr/local/sbin/runc", root: "/run/skiff/x/runtimes/runc" },
    crun: { path: "/usr/bin/crun", root: "/run/skiff/x/runtimes/crun" },
  });
  assertEquals(config.conmon, "/usr/libexec/podman/conmon");
});

Deno.test("resolveConfig() leaves what is set alone, whether it exists or not", () => {
  const config = resolveConfig(
    load("conmon: /opt/conmon\nruntimes:\n  runc: { path: /opt/runc, root: /run/runc }"),
    installed(),
  );
  assertEquals([config.conmon, config.runtimes], ["/opt/conmon", { runc: { path: "/opt/runc", root: "/run/runc" } }]);
});

Deno.test("resolveConfig() leaves out a default runtime entry that is not installed", () => {
  const config = resolveConfig(load(""), installed("/usr/sbin/runc", "/usr/bin/conmon"));
  assertEquals(Object.keys(config.runtimes), ["runc"]);
});

Deno.test("resolveConfig() refuses a runtime that a file names, the default runtime and conmon when they are not installed", () => {
  const loaded = load("runtimes:\n  kata:\n    root: /run/kata\n");
  const error = assertThrows(() => resolveConfig(loaded, installed()), ConfigError) as ConfigError;
  assertEquals(error.problems.map(({ key }) => key), ["runtimes.runc.path", "runtimes.kata.path", "conmon"]);
  assertStringIncludes(
    error.message,
    "/etc/skiff/skiff.yaml:2:3: runtimes.kata.path: kata was not found in /usr/local/sbin",
  );
  assertStringIncludes(error.message, "apt-get install conmon");
});

Deno.test("resolveConfig() does not change what was loaded", () => {
  const loaded = load("");
  resolveConfig(loaded, () => true);
  assertEquals(loaded.config.conmon, "");
});

Deno.test("resolveConfig() refuses the systemd cgroup driver where systemd is not process 1 or has no bus, and says what helps", () => {
  const programs = ["/usr/sbin/runc", "/usr/bin/conmon"];
  const problem = (...there: string[]) => {
    const loaded = load("log:\n  level: debug\ncgroupDriver: systemd");
    return assertThrows(() => resolveConfig(loaded, installed(...programs, ...there)), ConfigError).message;
  };
  assertStringIncludes(
    problem("/run/dbus/system_bus_socket"),
    "/etc/skiff/skiff.yaml:3:15: cgroupDriver: is systemd, but systemd is not process 1 of this machine: set cgroupfs",
  );
  assertStringIncludes(problem("/run/systemd/system"), "apt-get install dbus");
  const all = installed(...programs, "/run/systemd/system", "/run/dbus/system_bus_socket");
  assertEquals(resolveConfig(load("cgroupDriver: systemd"), all).cgroupDriver, "systemd");
});
