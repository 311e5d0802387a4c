import { assert, assertEquals, assertRejects } from "@std/assert";
import { buildExecProcess } from "../../../src/oci/mod.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { asyncFd, kernel, O_NOCTTY, O_RDWR, openPty, pipe, resizePty } from "../../../src/sys/mod.ts";
import { LiveNode } from "./support/live_node.ts";

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

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
      const start = (command: string[], stdio = {}, terminal = false) => {
        const process = buildExecProcess(container.spec.process, command, terminal);
        return node.runtime.exec(node.handler, container.id, process, stdio);
      };

      await test.step("exit codes, also 255 and a signal", async () => {
        for (const [script, code] of [["exit 0", 0], ["exit 255", 255], ["kill -9 $$", 137]] as const) {
          const command = start(["sh", "-c", script]);
          assertEquals(await command.ended, code);
          assert(command.started());
        }
      });

      await test.step("a command that is not there is the runtime's error", async () => {
        const command = start(["/no/such"]);
        const error = await assertRejects(() => command.ended, RpcError, "/no/such") as RpcError;
        assertEquals([error.code, command.started()], [Code.UNKNOWN, false]);
      });

      await test.step("it ends while a child still holds the output", async () => {
        const { read, write } = pipe();
        const command = start(["sh", "-c", "sleep 5 & exit 4"], { fds: { 1: write } });
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
          const command = start(["sh", "-c", "sleep 1000 & sleep 1001"]);
          await sleep(wait);
          command.kill();
          await command.ended;
          for (let i = 0; i < 100 && others() > 0; i++) await sleep(20);
          assertEquals(others(), 0);
        }
      });

      await test.step("a terminal, with its size from the start", async () => {
        const { master, tty } = openPty();
        resizePty(master, 12, 34);
        const peer = kernel.open(tty, O_RDWR | O_NOCTTY);
        const stdio = { fds: { 0: peer, 1: peer, 2: peer }, size: { rows: 12, columns: 34 } };
        const command = start(["sh", "-c", "stty size; exit 9"], stdio, true);
        kernel.close(peer);
        const end = asyncFd(master);
        const buffer = new Uint8Array(1000);
        let output = "";
        for (let count; (count = await end.read(buffer)) !== null;) {
          output += new TextDecoder().decode(buffer.subarray(0, count));
        }
        assertEquals([output.trim(), await command.ended], ["12 34", 9]);
        end.close();
      });

      await test.step("no file is left", () => {
        assertEquals(node.leftovers().filter((path) => path.includes("/exec/")), []);
      });
    },
  });
}
