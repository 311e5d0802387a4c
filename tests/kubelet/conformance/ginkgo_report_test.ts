import { assertEquals } from "@std/assert";
import { readGinkgoReport } from "./ginkgo_report.ts";

const node = (text: string, fields: Record<string, unknown> = {}) => ({
  ContainerHierarchyTexts: ["[sig-node] Pods"],
  ContainerHierarchyLabels: [["sig-node"]],
  LeafNodeType: "It",
  LeafNodeText: text,
  LeafNodeLabels: ["NodeConformance"],
  State: "passed",
  RunTime: 1_500_000_000,
  ...fields,
});
const read = (...nodes: unknown[]) => readGinkgoReport(JSON.stringify([{ SpecReports: nodes }]), "NodeConformance");
const outcomes = (...nodes: unknown[]) => read(...nodes).map(({ outcome, reason }) => [outcome, reason]);

Deno.test("readGinkgoReport() gives a spec its whole name and its time", () => {
  assertEquals(read(node("should run")), [
    { name: "[sig-node] Pods should run", outcome: "passed", reason: "", seconds: 1.5 },
  ]);
});

Deno.test("readGinkgoReport() leaves out specs without the label, and takes one from a container", () => {
  const inherited = node("inherits", { LeafNodeLabels: null, ContainerHierarchyLabels: [["NodeConformance"]] });
  const names = read(node("other", { LeafNodeLabels: ["Conformance"] }), inherited).map(({ name }) => name);
  assertEquals(names, ["[sig-node] Pods inherits"]);
});

Deno.test("readGinkgoReport() tells a spec that skipped itself from one that was left out", () => {
  const skipped = { State: "skipped", Failure: { Message: "no AppArmor" } };
  assertEquals(outcomes(node("a", skipped), node("b", { State: "skipped" }), node("c", { State: "pending" })), [
    ["skipped", "no AppArmor"],
    ["deselected", ""],
    ["deselected", "pending"],
  ]);
});

Deno.test("readGinkgoReport() takes every other state for a failure, and says where it was", () => {
  const Location = { FileName: "/module/kubernetes@v1/test/e2e/common/node/pods.go", LineNumber: 7 };
  assertEquals(outcomes(node("a", { State: "timedout", Failure: { Message: "too long", Location } })), [
    ["failed", "timedout: too long\nat test/e2e/common/node/pods.go:7"],
  ]);
  assertEquals(outcomes(node("a", { State: "interrupted" })), [["failed", "interrupted"]]);
});

Deno.test("readGinkgoReport() has what failed around the specs", () => {
  const before = { LeafNodeType: "SynchronizedBeforeSuite", LeafNodeLabels: null, ContainerHierarchyTexts: null };
  const fields = { ...before, ContainerHierarchyLabels: null };
  assertEquals(read(node("", { ...fields, State: "failed" })).map(({ name }) => name), ["SynchronizedBeforeSuite"]);
  assertEquals(read(node("", fields)), []);
});
