/** Runs a command with 200 MB of output in a container of the runtime that is named by the first argument; prints what became of memory. */
import { buildExecProcess } from "../../../../src/oci/mod.ts";
import { LiveNode } from "./live_node.ts";

{
  await using node = new LiveNode(Deno.args[0] as "runc" | "crun");
  const container = await node.start(["sleep", "600"]);
  const exec = async (script: string) => {
    const process = buildExecProcess(container.spec.process, ["sh", "-c", script], false);
    return await node.runtime.execSync(node.handler, container.id, process, 0, 1 << 20);
  };
  await exec("yes | head -c 5000000");
  const before = Deno.memoryUsage().rss;
  const { exitCode, stdout, stderr } = await exec("yes | head -c 200000000; yes e | head -c 3000000 >&2");
  const growth = Deno.memoryUsage().rss - before;
  console.log(JSON.stringify({ exitCode, lengths: [stdout.length, stderr.length], growth }));
}
Deno.exit(0);
