import { messageOf } from "../../rpc/status.ts";
import { enterSandbox } from "../sandbox.ts";
import { checkSigstore, readSigstoreKeys } from "./sigstore.ts";
import { checkSimple, readKeyRings } from "./simple_signing.ts";
import type { SignatureFinding, SignatureTask, VerifyAnswer, VerifyTask } from "./types.ts";

type OpenPgp = typeof import("openpgp");

/**
 * `skiff __verify`: reads a {@link VerifyTask} from its standard input and writes a {@link VerifyAnswer}. Signatures are
 * bytes from strangers: it has no libc, and gives up every permission before it reads.
 */
export async function main(_args: string[]): Promise<number> {
  const openpgp = await import("openpgp");
  enterSandbox();
  const task = JSON.parse(await new Response(Deno.stdin.readable).text()) as VerifyTask;
  const answer: VerifyAnswer = [];
  for (const requirement of task.requirements) answer.push(await evaluate(openpgp, requirement, task));
  const bytes = new TextEncoder().encode(JSON.stringify(answer));
  for (let done = 0; done < bytes.length;) done += Deno.stdout.writeSync(bytes.subarray(done));
  return 0;
}

/** One good signature is enough; all others are told about. */
export async function evaluate(
  openpgp: OpenPgp,
  requirement: SignatureTask,
  task: VerifyTask,
): Promise<VerifyAnswer[number]> {
  let signatures: SignatureFinding[];
  try {
    signatures = await findings(openpgp, requirement, task);
  } catch (error) {
    return { satisfied: false, reason: `the rule's keys cannot be used: ${messageOf(error)}`, signatures: [] };
  }
  const accepted = signatures.find((finding) => finding.accepted);
  if (accepted) return { satisfied: true, reason: accepted.reason, signatures };
  if (signatures.length === 0) return { satisfied: false, reason: "no signature was found", signatures };
  const reasons = [...new Set(signatures.map(({ reason }) => reason))].slice(0, 3).join("; ");
  const what = signatures.length === 1
    ? "the signature is not accepted"
    : `none of ${signatures.length} signatures is accepted`;
  return { satisfied: false, reason: `${what}: ${reasons}`, signatures };
}

async function findings(openpgp: OpenPgp, requirement: SignatureTask, task: VerifyTask): Promise<SignatureFinding[]> {
  const result: SignatureFinding[] = [];
  if (requirement.type === "signedBy") {
    const keys = await readKeyRings(openpgp, requirement.keys);
    for (const signature of task.signatures) {
      if (signature.kind === "simple") result.push(await checkSimple(openpgp, keys, signature, requirement, task));
    }
    return result;
  }
  const keys = await readSigstoreKeys(requirement);
  for (const signature of task.signatures) {
    if (signature.kind === "sigstore") result.push(await checkSigstore(keys, signature, requirement, task));
  }
  return result;
}
