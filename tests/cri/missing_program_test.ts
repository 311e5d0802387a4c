import { Code } from "../support/client.ts";
import { assertRefused } from "../support/pods.ts";
import { suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";

const { test } = suite({ daemon: { config: { runtimes: { "runc-release": { path: tools.runcRelease } } } } });

for (const handler of ["runc-release", "crun", "runc"]) {
  test(
    `CreateContainer() with ${handler} of a program that the image has not is NotFound and leaves nothing`,
    async (bench) => {
      const sandbox = await bench.sandbox({}, handler);
      const before = await bench.node.snapshot();
      for (const program of ["no-such-program", "/no/such/program"]) {
        await assertRefused(bench.create(sandbox, { command: [program] }), Code.NOT_FOUND, program, handler);
      }
      const left = await bench.node.leftSince(before);
      if (left.length > 0) throw new Error(`left behind: ${left.join("; ")}`);
      await assertRefused(bench.create(sandbox, { command: ["/etc/passwd"] }), Code.INTERNAL, "permission denied");
    },
    { skiffOnly: "it looks for the program only when the container starts" },
  );
}
