import { assertEquals } from "@std/assert";
import { featuresOfVersion, NO_FEATURES, parseFeatures } from "../../../src/oci/runtime_features.ts";

const ALL = { recursiveReadOnlyMounts: true, idmappedMounts: true, userNamespaces: true };

Deno.test("parseFeatures() reads what runc 1.2 and later say", () => {
  const linux = { namespaces: ["mount", "user"], mountExtensions: { idmap: { enabled: true } } };
  assertEquals(parseFeatures(JSON.stringify({ mountOptions: ["ro", "rro"], linux })), ALL);
});

Deno.test("parseFeatures() takes what is not said for what is not there", () => {
  const old = { mountOptions: ["ro", "rro"], linux: { namespaces: ["mount", "user"] } };
  assertEquals(parseFeatures(JSON.stringify(old)), { ...ALL, idmappedMounts: false });
  assertEquals(parseFeatures(`{"mountOptions":{"rro":1},"linux":null}`), NO_FEATURES);
});

Deno.test("parseFeatures() is undefined for what is no answer", () => {
  assertEquals(parseFeatures("unknown command features"), undefined);
  assertEquals(parseFeatures("null"), undefined);
});

Deno.test("featuresOfVersion() knows crun from 1.8 on", () => {
  for (const version of ["crun version 1.8.1", "crun version 1.14", "crun version 2.0"]) {
    assertEquals(featuresOfVersion(version), ALL, version);
  }
  for (const version of ["crun version 1.7.2", "crun version 0.20", "runc version 1.0.0", "", "version 9.9"]) {
    assertEquals(featuresOfVersion(version), NO_FEATURES, version);
  }
});
