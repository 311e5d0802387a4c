/** Reads the report that `-ginkgo.junit-report` writes. */

export interface Spec {
  /** Without ginkgo's node type and labels. */
  name: string;
  /** `deselected`: left out by a filter, before it could run. */
  outcome: "passed" | "failed" | "skipped" | "deselected";
  /** Why it failed, or why it skipped itself. */
  reason: string;
  seconds: number;
}

/** The specs of a report: set-up and tear-down of the whole suite count where they failed. */
export function readJUnit(xml: string): Spec[] {
  const specs: Spec[] = [];
  for (const [, attributes, body = ""] of xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const title = attribute(attributes, "name");
    const outcome = outcomeOf(attribute(attributes, "status"), body);
    if (!title.startsWith("[It]") && outcome !== "failed") continue;
    specs.push({
      name: plainName(title),
      outcome,
      reason: reasonOf(body),
      seconds: Number(attribute(attributes, "time")),
    });
  }
  return specs;
}

function outcomeOf(status: string, body: string): Spec["outcome"] {
  if (status === "passed") return "passed";
  if (status !== "skipped" && status !== "pending") return "failed";
  // ginkgo words a spec that a filter left out without a reason.
  return /<skipped message="skipped"/.test(body) ? "deselected" : "skipped";
}

function reasonOf(body: string): string {
  const element = body.match(/<(failure|error|skipped)\b([^>]*?)(?:\/>|>([\s\S]*?)<\/\1>)/);
  if (!element) return "";
  const [, kind, attributes, text = ""] = element;
  const message = attribute(attributes, "message").replace(/^skipped( - )?/, "");
  return kind === "skipped" ? message : unescape(text).trim() || message;
}

const plainName = (title: string) =>
  title.replace(/^\[\w+\] /, "").replace(/^\[k8s\.io\] /, "").replace(/( \[[\w, ]+\])+$/, "").replaceAll(/\s+/g, " ");

const attribute = (attributes: string, name: string) =>
  unescape(attributes.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "");

const entities: Record<string, string> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replaceAll(
    /&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));/g,
    (whole, decimal, hexadecimal, name) =>
      decimal
        ? String.fromCodePoint(Number(decimal))
        : hexadecimal
        ? String.fromCodePoint(parseInt(hexadecimal, 16))
        : entities[name] ?? whole,
  );
}
