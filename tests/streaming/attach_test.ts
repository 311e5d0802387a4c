import { assert, assertEquals } from "@std/assert";
import { sleep } from "../support/command.ts";
import { Rig } from "./rig.ts";

const ECHO =
  'while read line; do echo "out $line"; echo "err $line" >&2; [ "$line" = end ] && exit 3; done; echo EOF; sleep 1';

Deno.test({
  name: "attach with client-go (root)",
  ignore: Deno.uid() !== 0,
  fn: async (test) => {
    await using rig = await Rig.start("runc");
    const create = (container: string, script: string, options: { tty?: "1"; once?: "1" } = {}) =>
      rig.ask("/create", { container, cmd: JSON.stringify(["sh", "-c", script]), ...options });

    for (const protocol of ["spdy", "ws"]) {
      await test.step(`${protocol}: several clients see both outputs, one types, all end with the container`, async () => {
        const name = `many-${protocol}`;
        await create(name, ECHO);
        const watching = [rig.attach(protocol, name), rig.attach(protocol, name)];
        await sleep(700);
        const typing = rig.attach(protocol, name, "-stdin", "one\nend\n", "-hold");
        for (const answer of await Promise.all([...watching, typing])) {
          assertEquals([answer.Stdout, answer.Stderr], ["out one\nout end\n", "err one\nerr end\n"]);
          assertEquals([answer.Code, answer.Error], [0, ""]);
        }
      });

      await test.step(`${protocol}: the end of the input ends the container's own with stdin_once, else not`, async () => {
        await create(`once-${protocol}`, ECHO, { once: "1" });
        const once = await rig.attach(protocol, `once-${protocol}`, "-stdin", "x\n");
        assertEquals(once.Stdout, "out x\nEOF\n");
        await create(`open-${protocol}`, ECHO);
        await rig.attach(protocol, `open-${protocol}`, "-stdin", "x\n", "-timeout", "1s");
        const later = await rig.attach(protocol, `open-${protocol}`, "-stdin", "end\n", "-hold");
        assertEquals(later.Stdout, "out end\n");
      });

      await test.step(`${protocol}: a terminal is resized`, async () => {
        await create(`tty-${protocol}`, "sleep 0.3; read line; stty size; exit 0", { tty: "1" });
        const answer = await rig.attach(
          protocol,
          `tty-${protocol}`,
          "-tty",
          "-resize",
          "-stdin-delay",
          "1500ms",
          "-stdin",
          "go\n",
          "-hold",
        );
        assert(answer.Stdout.includes("44 122"), JSON.stringify(answer));
      });
    }

    await test.step("a large input is not cut", async () => {
      await create("large", "sleep 0.5; wc -c", { once: "1" });
      const answer = await rig.attach("spdy", "large", "-stdin-bytes", String(64 << 20));
      assertEquals(answer.Stdout.trim(), String(64 << 20));
    });

    await test.step("a client that goes leaves the container running and nothing behind", async () => {
      await create("stays", ECHO);
      const before = await rig.figures();
      for (let i = 0; i < 20; i++) await rig.attach("ws", "stays", "-hold", "-timeout", "100ms");
      await sleep(1000);
      const after = await rig.figures();
      assertEquals([after.descriptors, after.connections], [before.descriptors, 0]);
      assertEquals((await rig.attach("spdy", "stays", "-stdin", "end\n", "-hold")).Stdout, "out end\n");
    });
  },
});
