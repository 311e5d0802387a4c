/** CNI plugins, OCI runtimes and monitors that hang, fail or talk nonsense: an error that names the step, and nothing left. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Code } from "../support/client.ts";
import { waitUntil } from "../support/command.ts";
import { assertRefused, type Workbench } from "../support/pods.ts";
import type { Instance } from "../support/instance.ts";
import { suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";
import { BrokenHelper, type Fault } from "./broken_helper.ts";

const { test } = suite();
const skiffOnly = "its configuration is another";

interface Helpers {
  bridge: BrokenHelper;
  portmap: BrokenHelper;
  runc: BrokenHelper;
  conmon: BrokenHelper;
}
let helpers: Helpers | undefined;

/** Puts the breakable programs in front of the real ones, once, by a restart. */
async function withHelpers(bench: Workbench): Promise<Helpers> {
  if (helpers) return helpers;
  const plugin = (name: string) =>
    BrokenHelper.make(bench.node, "plugins", name, `${tools.cniPlugins}/${name}`, '"$CNI_COMMAND"');
  helpers = {
    bridge: plugin("bridge"),
    portmap: plugin("portmap"),
    runc: BrokenHelper.make(bench.node, "broken", "runc", tools.runc),
    conmon: BrokenHelper.make(bench.node, "broken", "conmon", tools.conmon),
  };
  for (const name of ["host-local", "loopback"]) {
    await Deno.symlink(`${tools.cniPlugins}/${name}`, `${bench.node.dir}/plugins/${name}`);
  }
  const { config } = bench.daemon as Instance;
  config.cni = { ...config.cni, pluginDirs: [`${bench.node.dir}/plugins`], timeoutSeconds: 2 };
  config.runtimes = { ...config.runtimes, runc: { path: helpers.runc.path } };
  config.conmon = helpers.conmon.path;
  await bench.daemon.restart();
  // The first pod makes what stays by design.
  const container = await bench.run();
  await bench.remove(container.sandbox.id);
  return helpers;
}

const watched = (bench: Workbench) => [`${bench.node.dir}/skiff-state`];

/** With `fault` in `helper`: `work` fails, says `words`, within `seconds`, and leaves nothing; without it, it succeeds. */
async function fails(
  bench: Workbench,
  helper: BrokenHelper,
  fault: Fault,
  work: () => Promise<unknown>,
  words: string[],
  seconds = 15,
): Promise<void> {
  const before = await bench.node.snapshot(watched(bench));
  const began = Date.now();
  {
    using _broken = helper.break(fault);
    await assertRefused(work(), [
      Code.UNAVAILABLE,
      Code.INTERNAL,
      Code.FAILED_PRECONDITION,
      Code.DEADLINE_EXCEEDED,
      Code.UNKNOWN,
    ], ...words);
  }
  assert(Date.now() - began < seconds * 1000, `took ${Date.now() - began} ms`);
  assertEquals(await bench.node.leftSince(before, watched(bench)), []);
}

const runPod = (bench: Workbench) => async () => {
  const config = bench.sandboxConfig();
  Deno.mkdirSync(config.logDirectory, { recursive: true });
  bench.adopt((await bench.client.runPodSandbox({ config })).podSandboxId);
};

const pluginFaults: [string, keyof Helpers & ("bridge" | "portmap"), Fault, string[]][] = [
  ["the first CNI plugin fails in the words of the specification", "bridge", {
    kind: "fail",
    when: "ADD",
    text: '{"cniVersion":"1.0.0","code":11,"msg":"out of ideas","details":"try later"}',
  }, ["bridge", "out of ideas"]],
  ["the first CNI plugin fails without a word that is JSON", "bridge", {
    kind: "fail",
    when: "ADD",
    text: "segmentation fault or so",
  }, ["bridge", "segmentation fault or so"]],
  ["the first CNI plugin says nothing", "bridge", { kind: "garbage", when: "ADD" }, ["bridge"]],
  ["the first CNI plugin talks nonsense", "bridge", {
    kind: "garbage",
    when: "ADD",
    text: '{"cniVersion": "1.0.0", "ips": "many"',
  }, ["bridge"]],
  ["the first CNI plugin hangs", "bridge", { kind: "hang", when: "ADD" }, ["bridge", "did not end within"]],
  ["the second CNI plugin fails after the first made its link", "portmap", {
    kind: "fail",
    when: "ADD",
    text: "no iptables today",
  }, ["portmap", "no iptables today"]],
  ["the second CNI plugin hangs after the first made its link", "portmap", { kind: "hang", when: "ADD" }, [
    "portmap",
    "did not end within",
  ]],
];
for (const [what, name, fault, words] of pluginFaults) {
  test(`RunPodSandbox() when ${what}`, async (bench) => {
    const helper = (await withHelpers(bench))[name];
    await fails(bench, helper, fault, runPod(bench), words);
    await runPod(bench)();
  }, { skiffOnly });
}

test("StopPodSandbox() when the CNI plugin fails at DEL: an error, and the next stop succeeds", async (bench) => {
  const { bridge } = await withHelpers(bench);
  const before = await bench.node.snapshot(watched(bench));
  const sandbox = await bench.sandbox();
  {
    using _broken = bridge.break({
      kind: "fail",
      when: "DEL",
      text: '{"cniVersion":"1.0.0","code":100,"msg":"not now"}',
    });
    await assertRefused(
      bench.client.stopPodSandbox({ podSandboxId: sandbox.id }),
      [Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN],
      "bridge",
      "not now",
    );
  }
  await bench.client.stopPodSandbox({ podSandboxId: sandbox.id });
  await bench.remove(sandbox.id);
  assertEquals(await bench.node.leftSince(before, watched(bench)), []);
}, { skiffOnly });

const createFaults: [string, "runc" | "conmon", Fault, string[]][] = [
  ["runc create fails", "runc", { kind: "fail", when: "create", text: "no room in this house" }, [
    "runc",
    "create",
    "no room in this house",
  ]],
  ["runc is not runc", "runc", { kind: "garbage", when: "create", text: "hello" }, ["runc"]],
  ["conmon fails", "conmon", { kind: "fail", text: "conmon has its day off" }, ["conmon"]],
  ["conmon ends without a word", "conmon", { kind: "garbage" }, ["conmon"]],
];
for (const [what, name, fault, words] of createFaults) {
  test(`CreateContainer() when ${what}`, async (bench) => {
    const helper = (await withHelpers(bench))[name];
    const sandbox = await bench.sandbox();
    await fails(bench, helper, fault, () => bench.create(sandbox), words);
    assertEquals((await bench.client.listContainers({ filter: { podSandboxId: sandbox.id } })).containers, []);
    const container = await bench.run({}, sandbox);
    assertEquals(await bench.sh(container, "echo fine"), "fine");
  }, { skiffOnly });
}

test(
  "CreateContainer() while runc hangs: the client's deadline passes, other calls go on, the job says its step, the retry joins it",
  async (bench) => {
    const { runc } = await withHelpers(bench);
    const sandbox = await bench.sandbox();
    const other = await bench.run({ metadata: { name: "other" } }, await bench.sandbox());
    const request = { podSandboxId: sandbox.id, config: bench.containerConfig(), sandboxConfig: sandbox.config };
    await Deno.mkdir(`${sandbox.config.logDirectory}/main`, { recursive: true });
    const broken = runc.break({ kind: "hang", when: "create" });
    try {
      await assertRefused(bench.client.createContainer(request, { timeout: 1_000 }), Code.DEADLINE_EXCEEDED);
      assertEquals(
        (await bench.client.containerStatus({ containerId: other.id }, { timeout: 1_000 })).status!.state,
        1,
      );
      const { jobs } = await bench.client.listJobs({ runningOnly: true });
      const job = jobs.find((one) => one.kind.includes("create-container"));
      assert(job, `no such job among ${jobs.map((one) => one.kind)}`);
      const step = job!.steps.at(-1)!;
      assert(step.duration === 0n && step.name !== "", `step ${step.name} after ${step.duration} ns`);
      const joined = bench.client.createContainer(request);
      broken.mend();
      const { containerId } = await joined;
      await bench.client.startContainer({ containerId });
      assertEquals((await bench.client.listContainers({ filter: { podSandboxId: sandbox.id } })).containers.length, 1);
    } finally {
      broken.mend();
    }
  },
  { skiffOnly },
);

test(
  "StartContainer() when runc start fails: the container is Exited with the reason, and can be removed",
  async (bench) => {
    const { runc } = await withHelpers(bench);
    const before = await bench.node.snapshot(watched(bench));
    const container = await bench.create(await bench.sandbox());
    {
      using _broken = runc.break({ kind: "fail", when: "start", text: "won't start" });
      await assertRefused(
        bench.client.startContainer({ containerId: container.id }),
        [Code.INTERNAL, Code.FAILED_PRECONDITION, Code.UNKNOWN, Code.UNAVAILABLE],
        "start",
        "won't start",
      );
    }
    const status = await bench.status(container.id);
    assertEquals(status.state, 2);
    assertStringIncludes(status.message + status.reason, "start");
    await bench.remove(container.sandbox.id);
    assertEquals(await bench.node.leftSince(before, watched(bench)), []);
  },
  { skiffOnly },
);

test("ExecSync() when runc exec fails says so, and the container goes on", async (bench) => {
  const { runc } = await withHelpers(bench);
  const container = await bench.run();
  {
    using _broken = runc.break({ kind: "fail", when: "exec", text: "exec is out of order" });
    const answer = await bench.exec(container, ["true"]).catch((error) => error);
    if (answer instanceof Error) assertStringIncludes(answer.message, "exec is out of order");
    else {assert(
        answer.exitCode !== 0 && (answer.stderr + answer.stdout).includes("exec is out of order"),
        JSON.stringify(answer),
      );}
  }
  assertEquals(await bench.sh(container, "echo fine"), "fine");
}, { skiffOnly });

test("ExecSync() when runc exec hangs keeps to its timeout and leaves no process", async (bench) => {
  const { runc } = await withHelpers(bench);
  const container = await bench.run();
  using broken = runc.break({ kind: "hang", when: "exec" });
  const began = Date.now();
  await assertRefused(
    bench.client.execSync({ containerId: container.id, cmd: ["true"], timeout: 1n }),
    Code.DEADLINE_EXCEEDED,
  );
  assert(Date.now() - began < 5_000, `took ${Date.now() - began} ms`);
  await waitUntil("the hanging exec is gone", () => runc.running().length === 0, 5_000);
  broken.mend();
  assertEquals(await bench.sh(container, "echo fine"), "fine");
}, { skiffOnly });

test("StopContainer() when runc kill fails ends the container all the same", async (bench) => {
  const { runc } = await withHelpers(bench);
  const container = await bench.run();
  using _broken = runc.break({ kind: "fail", when: "kill", text: "can't kill" });
  await bench.client.stopContainer({ containerId: container.id, timeout: 1n }, { timeout: 20_000 });
  assertEquals((await bench.status(container.id)).exitCode, 137);
}, { skiffOnly });

test("RemoveContainer() when runc delete fails once succeeds when asked again, and leaves nothing", async (bench) => {
  const { runc } = await withHelpers(bench);
  const before = await bench.node.snapshot(watched(bench));
  const container = await bench.run();
  await bench.client.stopContainer({ containerId: container.id, timeout: 0n });
  {
    using _broken = runc.break({ kind: "fail", when: "delete", text: "can't delete" });
    await bench.client.removeContainer({ containerId: container.id }).catch(() => undefined);
  }
  await bench.client.removeContainer({ containerId: container.id });
  await bench.remove(container.sandbox.id);
  assertEquals(await bench.node.leftSince(before, watched(bench)), []);
}, { skiffOnly });
