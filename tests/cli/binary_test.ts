/** The command line of the compiled binary against a daemon of its own, and the daemon's own manners: signals, exit codes, reload. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { permissionFlags } from "../../src/cli/permissions.ts";
import { run, tryRun, waitUntil } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { tools } from "../support/tools.ts";

const options = { ignore: Deno.uid() !== 0 || !onSkiff, sanitizeOps: false, sanitizeResources: false };

/** Runs `body` with a node, a daemon that serves, and a way to run commands against it. */
async function withDaemon(
  body: (
    parts: { node: TestNode; daemon: Instance; skiff: (...args: string[]) => ReturnType<typeof tryRun> },
  ) => Promise<void>,
): Promise<void> {
  await using node = await TestNode.start();
  await using daemon = new Instance(node);
  await daemon.start();
  await body({ node, daemon, skiff: (...args) => tryRun(tools.skiff, args, { env: { SKIFF_SOCKET: daemon.socket } }) });
}

Deno.test("skiff works from any path, under any name, without an environment (root)", options, async () => {
  const folder = await Deno.makeTempDir();
  try {
    const odd = `${folder}/a name with blanks`;
    await Deno.copyFile(tools.skiff, odd);
    const out = await run("/usr/bin/env", ["-i", odd, "version", "--client"], { cwd: "/" });
    assertMatch(out, /^skiff \d+\.\d+\.\d+ \([0-9a-f]+(-dirty)?\), Deno 2\.6\.10\n$/);
    assertEquals(await run(odd, ["version", "--permissions"]), permissionFlags().map((flag) => `${flag}\n`).join(""));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("skiff leaves no code cache in the temporary folder (root)", options, async () => {
  const folder = await Deno.makeTempDir();
  try {
    await run(tools.skiff, ["config", "--default"], { env: { TMPDIR: folder } });
    assertEquals([...Deno.readDirSync(folder)], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test(
  "skiff commands show a pod from its image to its log (root)",
  options,
  () =>
    withDaemon(async ({ node, daemon, skiff }) => {
      await using bench = new Workbench(daemon);
      const image = node.image("test/busybox:1");
      const pulled = await skiff("image", "pull", image);
      assertEquals([pulled.code, /^sha256:[0-9a-f]{64}\n$/.test(pulled.stdout)], [0, true]);
      assertMatch(pulled.stderr, /: resolving\n/);
      assertMatch(pulled.stderr, /: done\n$/);
      const container = await bench.run({ command: ["sh", "-c", "echo out; echo err >&2; sleep 60"] });
      const name = container.sandbox.config.metadata!.name;
      await waitUntil("the log is written", () => Deno.readTextFileSync(container.log).split("\n").length > 2);

      assertMatch(
        (await skiff("ps")).stdout,
        new RegExp(`\\n${container.id.slice(0, 13)}  main +running .* default/${name}\n$`),
      );
      assertMatch(
        (await skiff("pod", "ls")).stdout,
        new RegExp(`\\n${container.sandbox.id.slice(0, 13)}  default +${name}  ready`),
      );
      assertEquals(await skiff("logs", "main"), { code: 0, stdout: "out\n", stderr: "err\n" });
      assertEquals(await skiff("exec", "-s", "main", "sh", "-c", "echo in; exit 7"), {
        code: 7,
        stdout: "in\n",
        stderr: "",
      });
      assertEquals(JSON.parse((await skiff("pod", "inspect", name)).stdout).status.state, "ready");
      assertMatch((await skiff("image", "ls", "-q")).stdout, /^sha256:[0-9a-f]{64}\n$/);
      assertEquals(JSON.parse((await skiff("image", "inspect", image)).stdout).repoTags, [image]);
      const jobs = JSON.parse((await skiff("jobs", "--json")).stdout) as { state: string; steps: unknown[] }[];
      assertEquals(jobs.every(({ state, steps }) => state === "done" && steps.length > 0) && jobs.length >= 3, true);
      const removal = await skiff("image", "rm", image);
      assertEquals([removal.code, removal.stdout], [1, ""]);
      assertStringIncludes(removal.stderr, container.id.slice(0, 12));
      assertEquals((await skiff("status")).code, 0);
    }),
);

Deno.test(
  "skiff serve refuses a wrong configuration with exit code 2, and a root that another serves with 1 (root)",
  options,
  () =>
    withDaemon(async ({ node, daemon }) => {
      const config = await tryRun(tools.skiff, ["serve", "--set", "pidsLimit=-1"]);
      assertEquals([config.code, config.stdout], [2, ""]);
      assertStringIncludes(config.stderr, "--set pidsLimit=-1: pidsLimit: is -1; allowed: a whole number from 0");
      const second = await node.holder.tryRun(
        tools.skiff,
        "serve",
        "--config",
        daemon.configFile,
        "--listen",
        `${node.dir}/second.sock`,
      );
      assertEquals(second.code, 1);
      assertStringIncludes(second.stderr, "another skiff serves from this root folder");
    }),
);

Deno.test(
  "skiff serve takes a new log level on SIGHUP, and keeps the old one where the file is wrong (root)",
  options,
  () =>
    withDaemon(async ({ daemon }) => {
      const original = await Deno.readTextFile(daemon.configFile);
      const reload = async (content: string, expected: string) => {
        await Deno.writeTextFile(daemon.configFile, content);
        Deno.kill(daemon.pid, "SIGHUP");
        await waitUntil(expected, () => daemon.log().includes(expected));
      };
      await reload(`${original}pidsLimit: many\n`, "reload: the configuration is wrong; the running one stays");
      await reload(`${original}pidsLimit: 77\n`, "reload: this key needs a restart");
      await reload(original.replace("level: debug", "level: error"), "reload: changed");
      const lines = daemon.log().length;
      Deno.kill(daemon.pid, "SIGHUP");
      await daemon.client.version({});
      assertEquals(await daemon.stop(), 0);
      assertEquals(daemon.log().slice(lines), "");
    }),
);

Deno.test(
  "skiff serve stops on SIGINT as on SIGTERM, and the CLI then ends with 3 (root)",
  options,
  () =>
    withDaemon(async ({ daemon, skiff }) => {
      Deno.kill(daemon.pid, "SIGINT");
      await waitUntil("the daemon has stopped", () => /INFO +stopped\n$/.test(daemon.log()));
      const { code, stderr } = await skiff("ps");
      assertEquals(code, 3);
      assertStringIncludes(stderr, daemon.socket);
    }),
);

Deno.test(
  "skiff image pull reports a registry that refuses, with exit code 1 (root)",
  options,
  () =>
    withDaemon(async ({ node, skiff }) => {
      const { code, stdout, stderr } = await skiff("image", "pull", node.image("test/no-such-image:1"));
      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, "no-such-image");
    }),
);

/** Started by hand, without what the unit file sets. */
class ByHand extends Instance {
  protected override command() {
    const { program, args, env } = super.command();
    return { program: "/usr/bin/env", args: ["-u", "DENO_TOKIO_EVENT_INTERVAL", program, ...args], env };
  }
}

Deno.test(
  "skiff serve has its event loop look at sockets each time, however it is started (root)",
  options,
  async () => {
    await using node = await TestNode.start();
    await using daemon = new ByHand(node);
    await daemon.start();
    const listed = (name: string) => Deno.readTextFileSync(`/proc/${daemon.pid}/${name}`).split("\0").slice(0, -1);
    assertEquals(listed("environ").filter((entry) => entry.startsWith("DENO_TOKIO_")), ["DENO_TOKIO_EVENT_INTERVAL=1"]);
    assertEquals(listed("cmdline").slice(1), ["serve", "--config", daemon.configFile]);
    assertEquals(daemon.runs, true);
  },
);
