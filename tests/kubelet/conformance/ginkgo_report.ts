/** Reads the report that ginkgo writes as JSON, as far as it says what became of each spec. */

export interface Spec {
  /** With everything that ginkgo puts before it and its tags, as --focus and --skip see it. */
  name: string;
  /** `deselected`: left out by a filter, before it could run. */
  outcome: "passed" | "failed" | "skipped" | "deselected";
  /** Why it failed, or why it skipped itself. */
  reason: string;
  seconds: number;
}

interface Node {
  ContainerHierarchyTexts: string[] | null;
  ContainerHierarchyLabels: string[][] | null;
  LeafNodeType: string;
  LeafNodeText: string;
  LeafNodeLabels: string[] | null;
  State: string;
  RunTime: number;
  Failure?: { Message?: string; Location?: { FileName: string; LineNumber: number } };
}

/** The specs with a label. What comes before and after all specs counts where it failed. */
export function readGinkgoReport(json: string, label: string): Spec[] {
  const suites: { SpecReports: Node[] | null }[] = JSON.parse(json);
  const specs: Spec[] = [];
  for (const node of suites.flatMap(({ SpecReports }) => SpecReports ?? [])) {
    const outcome = outcomeOf(node);
    const labels = [...(node.ContainerHierarchyLabels ?? []).flat(), ...node.LeafNodeLabels ?? []];
    const chosen = node.LeafNodeType === "It" && labels.includes(label);
    if (!chosen && outcome !== "failed") continue;
    specs.push({
      name: [...node.ContainerHierarchyTexts ?? [], node.LeafNodeText || node.LeafNodeType].join(" "),
      outcome,
      reason: reasonOf(node),
      seconds: node.RunTime / 1e9,
    });
  }
  return specs;
}

function outcomeOf({ State, Failure }: Node): Spec["outcome"] {
  if (State === "passed") return "passed";
  if (State === "pending") return "deselected";
  // A spec that a filter left out has nothing to say.
  if (State === "skipped") return Failure?.Message ? "skipped" : "deselected";
  return "failed";
}

function reasonOf({ State, Failure }: Node): string {
  if (!Failure?.Message) return State === "passed" || State === "skipped" ? "" : State;
  const { Message, Location } = Failure;
  const file = Location?.FileName.replace(/^.*\/test\/e2e\//, "test/e2e/");
  return State === "skipped" ? Message : `${State}: ${Message}${file ? `\nat ${file}:${Location?.LineNumber}` : ""}`;
}
