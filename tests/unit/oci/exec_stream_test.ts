import { assert, assertEquals, assertRejects } from "@std/assert";
import { buildExecProcess } from "../../../src/oci/mod.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { kernel, pipe } from "../../../src/sys/mod.ts";
import { LiveNode } from "./support/live_node.ts";

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Of one in five the output was not whole where the runtime copied it. */
const ROUNDS = 40;

/** All that comes until the terminal's end; then it is closed. */
async function textOf(terminal: { read(into: Uint8Array): Promise<number | null>; close(): void }): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1000);
  let text = "";
  for (let count; (count = await terminal.read(buffer)) !== null;) text += decoder.decode(buffer.subarray(0, count));
  terminal.close();
  return text;
}

for (const runtime of ["runc", "crun"] as const) {
  Deno.test({
    name: `exec of ${runtime} and conmon with descriptors of the caller (root)`,
    ignore: Deno.uid() !== 0,
    // The poller's one wait outlives each test that has started it.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async (test) => {
      await using node = new LiveNode(runtime);
      const container = await node.start(["sleep", "600"]);
      const start = (command: string[], stdio = {}) => {
        const process = buildExecProcess(container.spec.process, command, false);
        return node.runtime.exec(node.handler, container.id, process, stdio);
      };
      const onTerminal = (command: string[], size?: { rows: number; columns: number }) => {
        const process = buildExecProcess(container.spec.process, command, true);
        return node.runtime.execOnTerminal(node.handler, container.id, process, size);
      };

      await test.step("exit codes, also 255 and a signal", async () => {
        for (const [script, code] of [["exit 0", 0], ["exit 255", 255], ["kill -9 $$", 137]] as const) {
          const command = await start(["sh", "-c", script]);
          assertEquals(await command.ended, code);
          assert(command.started());
        }
      });

      await test.step("a command that is not there is the runtime's error", async () => {
        const command = await start(["/no/such"]);
        const error = await assertRejects(() => command.ended, RpcError, "/no/such") as RpcError;
        assertEquals([error.code, command.started()], [Code.UNKNOWN, false]);
      });

      await test.step("it ends while a child still holds the output", async () => {
        const { read, write } = pipe();
        const command = await start(["sh", "-c", "sleep 5 & exit 4"], { fds: { 1: write } });
        kernel.close(write);
        const began = Date.now();
        assertEquals(await command.ended, 4);
        assert(Date.now() - began < 4_000);
        kernel.close(read);
      });

      await test.step("kill() takes the command and its children, at once or while it starts", async () => {
        const others = () => node.cgroups.processes(container.input.placement).length - 1;
        for (let i = 0; i < 200 && others() > 0; i++) await sleep(50);
        for (const wait of [0, 300]) {
          const command = await start(["sh", "-c", "sleep 1000 & sleep 1001"]);
          await sleep(wait);
          command.kill();
          await command.ended;
          for (let i = 0; i < 100 && others() > 0; i++) await sleep(20);
          assertEquals(others(), 0);
        }
      });

      await test.step("a terminal, with its size from the start", async () => {
        // crun (seen: 1.8.1) lets the command go and then sets the size: it may be a moment late.
        const sized = runtime === "runc" ? "" : "until stty size | grep -q 12; do sleep 0.01; done; ";
        const { command, terminal } = await onTerminal(["sh", "-c", `${sized}stty size; exit 9`], {
          rows: 12,
          columns: 34,
        });
        assertEquals([(await textOf(terminal)).trim(), await command.ended], ["12 34", 9]);
      });

      await test.step("a terminal takes input, and a new size", async () => {
        const { command, terminal } = await onTerminal(["sh", "-c", "read a; stty size; exit 3"], {
          rows: 12,
          columns: 34,
        });
        for (let i = 0; i < 1_000 && !command.started(); i++) await sleep(10);
        terminal.resize(56, 78);
        await terminal.write(new TextEncoder().encode("go\n"));
        assertEquals([(await textOf(terminal)).replaceAll("\r", ""), await command.ended], ["go\n56 78\n", 3]);
      });

      await test.step("all of the output of a command on a terminal comes, however short it lives", async () => {
        for (let i = 0; i < ROUNDS; i++) {
          const { command, terminal } = await onTerminal(["echo", "-n", "hello"]);
          assertEquals([await textOf(terminal), await command.ended], ["hello", 0]);
        }
      });

      await test.step("a command that is not there is the runtime's error, on a terminal too", async () => {
        const { command, terminal } = await onTerminal(["/no/such"]);
        const error = await assertRejects(() => command.ended, RpcError, "/no/such") as RpcError;
        assertEquals([error.code, command.started()], [Code.UNKNOWN, false]);
        await textOf(terminal);
        await assertRejects(() => terminal.write(new Uint8Array(1)));
        terminal.resize(1, 1);
      });

      await test.step("no file is left", () => {
        assertEquals(node.leftovers().filter((path) => path.includes("/exec/")), []);
      });
    },
  });
}
