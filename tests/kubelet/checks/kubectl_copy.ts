import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Check, type CheckContext, container, pod } from "../check.ts";

/** Runs with a folder on the node that kubectl copies from and to. */
async function withFolder(context: CheckContext, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = (await context.cluster.run("mktemp", "-d", "/tmp/skiff-copy-XXXXXX")).trim();
  try {
    await run(folder);
  } finally {
    await context.cluster.run("rm", "-rf", folder);
  }
}

async function podThere(context: CheckContext): Promise<void> {
  await context.apply(pod("there", { containers: [container("main", context.cluster.image("busybox"))] }));
  await context.ready("there");
}

/** The files in a folder: names and sums. */
const sums = "cd $0 && find . -type f | sort | xargs sha256sum";

export const checks: Check[] = [
  {
    name: "kubectl cp takes a folder into a container and back, unchanged",
    item: "kubectl cp",
    async run(context) {
      await podThere(context);
      await withFolder(context, async (folder) => {
        const make =
          "mkdir -p $0/in/a/b && head -c 3000000 /dev/urandom >$0/in/a/big && echo small >$0/in/a/b/small && " +
          ": >$0/in/empty && chmod 750 $0/in/a/big";
        await context.cluster.run("sh", "-c", make, folder);
        const before = await context.cluster.run("sh", "-c", sums, `${folder}/in`);
        assertEquals(before.trim().split("\n").length, 3);
        await context.kubectl("cp", `${folder}/in`, "there:/tmp/in");
        assertEquals(await context.exec("there", "sh", "-c", sums, "/tmp/in"), before);
        assertEquals((await context.exec("there", "stat", "-c", "%a", "/tmp/in/a/big")).trim(), "750");
        await context.kubectl("cp", "there:/tmp/in", `${folder}/out`);
        assertEquals(await context.cluster.run("sh", "-c", sums, `${folder}/out`), before);
      });
    },
  },
  {
    name: "kubectl cp of a file that there is not says so, and a single file keeps its content",
    item: "kubectl cp, one file",
    async run(context) {
      await podThere(context);
      await withFolder(context, async (folder) => {
        // kubectl ends at the end of the archive, which what tar has to say about it may or may not be ahead of.
        await context.until("kubectl says what tar says", async () => {
          const { stdout, stderr } = await context.tryKubectl("cp", "there:/no/such/file", `${folder}/file`);
          return (stdout + stderr).includes("/no/such/file: No such file");
        }, 20);
        await context.cluster.run("sh", "-c", "echo content >$0/file", folder);
        await context.kubectl("cp", `${folder}/file`, "there:/tmp/renamed", "-c", "main");
        assertStringIncludes(await context.exec("there", "cat", "/tmp/renamed"), "content\n");
      });
    },
  },
];
