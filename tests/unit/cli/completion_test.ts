import { assertEquals, assertMatch } from "@std/assert";
import { wordTree } from "../../../src/cli/completion/words.ts";
import { wholeTree } from "../../../src/cli/run.ts";
import { Collected, skiff } from "./support.ts";

/** What bash offers after these words, by running the script that we print. */
async function offers(...words: string[]): Promise<string[]> {
  const { out } = await skiff("completion", "bash");
  const script = `${out}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _skiff; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { code, stdout, stderr } = await new Deno.Command("bash", { args: ["-c", script, "bash", "skiff", ...words] })
    .output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return new TextDecoder().decode(stdout).trim().split("\n");
}

for (
  const [words, expected] of [
    [["im"], ["image"]],
    [["image", ""], ["pull", "resolve", "import", "export", "ls", "inspect", "verify", "rm", "prune"]],
    [["image", "i"], ["import", "inspect"]],
    [["image", "ls", "--dig"], ["--digests"]],
    [["ps", "--state", "e"], ["exited"]],
    [["ps", "--socket", "image", "--sta"], ["--state"]],
    [["completion", ""], ["bash", "zsh", "fish"]],
  ] as [string[], string[]][]
) {
  Deno.test(`bashCompletion() offers ${expected.join(", ")} after "skiff ${words.join(" ")}"`, async () => {
    assertEquals(await offers(...words), expected);
  });
}

Deno.test("zshCompletion() has a function for every command, and balanced quotes", async () => {
  const { out } = await skiff("completion", "zsh");
  assertMatch(out, /^#compdef skiff\n/);
  for (const name of ["_skiff", "_skiff_image", "_skiff_image_pull", "_skiff_pod_ls"]) {
    assertMatch(out, new RegExp(`^${name}\\(\\) \\{`, "m"));
  }
  // zsh reads it as any shell does: a quote that is left open would be a syntax error here, too.
  const { code } = await new Deno.Command("bash", { args: ["-n", "-c", out] }).output();
  assertEquals(code, 0);
});

Deno.test("fishCompletion() has a rule for every command word", async () => {
  const { out } = await skiff("completion", "fish");
  const tree = wordTree(await wholeTree(new Collected()));
  for (const { name } of tree.commands) assertMatch(out, new RegExp(`^complete -c skiff .* -a ${name} -d '`, "m"));
  assertMatch(
    out,
    /^complete -c skiff -n '__skiff_at 2 image pull' -l username -s u -r -F -d 'User at the registry\.'$/m,
  );
});
