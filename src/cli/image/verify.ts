import { Command } from "commander";
import type { RequirementFinding, VerifyImageResponse } from "../../../proto/gen/skiff/v1/admin.ts";
import { type DaemonOptions, withDaemon, withDaemonOptions } from "../client.ts";
import { Exit, EXIT_FAILURE } from "../exit.ts";
import { oneLine, printJson } from "../print.ts";
import type { Terminal } from "../terminal.ts";

interface Options extends DaemonOptions {
  namespace?: string;
  explain?: boolean;
}

/** `skiff image verify` */
export function verifyCommand(terminal: Terminal): Command {
  return withDaemonOptions(new Command("verify"))
    .summary("does the signature policy accept an image, and why")
    .description(
      "Judges an image by the signature policy, as a pull or the creation of a container would: one on this node by " +
        "the signatures that came with it, else one at its registry, of which only the manifest and the signatures are " +
        "fetched. Exit code 1 if it is refused.",
    )
    .argument("<IMAGE>", "name, or ID of an image on this node")
    .option("-n, --namespace <NAME>", "Judge it for the pods of this namespace, which may have a policy of its own.")
    .option("--explain", "Show the policy, the scope, every rule and every signature.")
    .addHelpText(
      "after",
      `
Examples:
  skiff image verify registry.example.com/team/app:1.2
  skiff image verify --explain -n payments registry.example.com/team/app:1.2
`,
    )
    .action((image: string, options: Options) => verifyImage(terminal, image, options));
}

async function verifyImage(terminal: Terminal, image: string, options: Options): Promise<void> {
  const request = { image, namespace: options.namespace ?? "", username: "", password: "" };
  const verdict = await withDaemon(options, ({ admin }) => admin.verifyImage(request));
  if (options.json) printJson(terminal, verdict);
  else if (options.explain) explain(terminal, verdict);
  else terminal.out(`${oneLine(verdict.image)}: ${summary(verdict)}\n`);
  if (!verdict.allowed) throw new Exit(EXIT_FAILURE);
}

function summary({ allowed, requirements }: VerifyImageResponse): string {
  const deciding = requirements.find(({ satisfied }) => satisfied === allowed) ?? requirements[0];
  return `${allowed ? "accepted" : "refused"}${deciding ? ` (${deciding.type}): ${oneLine(deciding.reason)}` : ""}`;
}

function explain(terminal: Terminal, verdict: VerifyImageResponse): void {
  const { allowed, image, policyFile, scope, requirements } = verdict;
  const places = policyFile === "" ? "none; every image is accepted" : policyFile;
  const shown = scope === "" ? '"" (every registry)' : scope;
  terminal.out(`image:  ${oneLine(image)}\npolicy: ${places}\nscope:  ${oneLine(shown)}\n`);
  for (const requirement of requirements) showRequirement(terminal, requirement);
  terminal.out(`verdict: ${allowed ? "accepted" : "refused"}\n`);
}

function showRequirement(terminal: Terminal, { type, line, satisfied, reason, signatures }: RequirementFinding): void {
  const place = line === 0 ? "" : ` (line ${line})`;
  terminal.out(`rule:   ${type}${place}: ${satisfied ? "satisfied" : "not satisfied"}: ${oneLine(reason)}\n`);
  for (const { from, accepted, reason } of signatures) {
    terminal.out(`  ${accepted ? "good" : "bad "}  ${oneLine(from)}: ${oneLine(reason)}\n`);
  }
}
