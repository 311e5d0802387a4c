/** Images and requests made to do harm; each test names the flaw of the past that it stands for. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { busyboxLayer, path } from "../images/busybox.ts";
import { type Image, image, layer, type RunConfig } from "../images/image.ts";
import type { Entry } from "../images/tar.ts";
import { Code } from "../support/client.ts";
import { assertRefused, env, type Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";
import { exists } from "../support/tools.ts";

const { test } = suite();
type Part = Parameters<Workbench["create"]>[1];

const base = (entries: Entry[] = [], config: RunConfig = {}) =>
  image([layer(busyboxLayer()), ...(entries.length ? [layer(entries)] : [])], { Env: [path], Cmd: ["sh"], ...config });

let count = 0;
async function use(bench: Workbench, content: Image): Promise<{ image: { image: string } }> {
  const repository = `hostile/image-${++count}`;
  await bench.node.registry.add(repository, "1", content);
  const name = bench.node.image(`${repository}:1`);
  await bench.pull(name);
  return { image: { image: name } };
}

async function without(entries: Entry[], ...paths: string[]): Promise<Entry[]> {
  return await Promise.resolve(entries.filter((entry) => !paths.includes(entry.path)));
}

async function startOf(bench: Workbench, part: Part): Promise<void> {
  const container = await bench.create(await bench.sandbox(), part);
  await bench.client.startContainer({ containerId: container.id });
}

test("a USER beyond 2^31, below zero, or half a number is an error, not root (CVE-2024-40635, CVE-2026-46680)", async (bench) => {
  for (const User of ["4294967296", "4294967295:1", "-1", "0x0", "0:4294967296", "1000 0", " 0", "1e3"]) {
    const part = await use(bench, base([], { User }));
    await assertRefused(startOf(bench, part), [Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION], "USER");
  }
});

test("a passwd line with a number too large, or none, is no way to root (CVE-2024-40635)", async (bench) => {
  const passwd =
    "root:x:0:0::/:/bin/sh\nbig:x:4294967296:0::/:/bin/sh\nempty:x:::/:/bin/sh\nword:x:zero:0::/:/bin/sh\n";
  for (const User of ["big", "empty", "word"]) {
    const part = await use(bench, base([{ path: "etc/passwd", data: passwd }], { User }));
    await assertRefused(startOf(bench, part), [Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION], User);
  }
});

test("control bytes in HOME, the working directory or a user name are refused (CVE-2022-4318, CVE-2026-15809)", async (bench) => {
  const sandbox = await bench.sandbox();
  for (const byte of ["\n", "\r", "\0"]) {
    await assertRefused(
      bench.create(sandbox, { envs: env({ HOME: `/root${byte}evil:x:0:0::/:/bin/sh` }) }),
      Code.INVALID_ARGUMENT,
      "HOME",
    );
    await assertRefused(bench.create(sandbox, { workingDir: `/root${byte}x` }), Code.INVALID_ARGUMENT, "working_dir");
    await assertRefused(
      bench.create(sandbox, { linux: { securityContext: { runAsUsername: `a${byte}b` } } }),
      Code.INVALID_ARGUMENT,
      "run_as_username",
    );
  }
  const container = await bench.run({
    envs: env({ HOME: "/a:0:0" }),
    linux: { securityContext: { runAsUser: { value: 4711n } } },
  }, sandbox).catch(() => undefined);
  if (container) assertEquals(await bench.sh(container, "grep -c '^.*:x\\?:0:' /etc/passwd"), "1");
});

test("a working directory behind a leaked descriptor fails (CVE-2024-21626)", async (bench) => {
  for (const fd of [3, 5, 7, 8, 9, 10]) {
    const part = { workingDir: `/proc/self/fd/${fd}`, command: ["cat", "../../../../etc/hostname"] };
    const container = await bench.create(await bench.sandbox(), part).catch(() => undefined);
    if (!container) continue;
    const started = await bench.client.startContainer({ containerId: container.id }).then(() => true, () => false);
    if (!started) continue;
    assertNotEquals(
      Deno.readTextFileSync(container.log).trim().split(" ").at(-1),
      Deno.readTextFileSync("/etc/hostname").trim(),
    );
    await bench.exited(container.id);
  }
});

test("no descriptor of the daemon's reaches a container", async (bench) => {
  // Without a pipe: the shell that makes one holds both its ends for a moment.
  const { lines } = await bench.runScript("ls /proc/1/fd; true");
  const fds = lines.map(({ text }) => Number(text)).filter((fd) => fd > 2 && fd !== 10 && fd !== 3);
  assert(lines.length > 2);
  assertEquals(fds, []);
});

test("/etc as a link out of the image makes no file outside it (CVE-2024-5154)", async (bench) => {
  const victim = `${bench.node.dir}/victim-etc`;
  await Deno.mkdir(victim, { recursive: true });
  const content = image([
    layer([...(await without(busyboxLayer(), "etc", "etc/passwd", "etc/group", "etc/shadow", "etc/nsswitch.conf")), {
      path: "etc",
      type: "2",
      link: `../../../../../../../../..${victim}`,
    }]),
  ], { Env: [path] });
  const part = await use(bench, content);
  await startOf(bench, part).catch(() => undefined);
  assertEquals([...Deno.readDirSync(victim)], []);
});

test("/etc/passwd as a link is read in the image, not on the node (CVE-2024-9676)", async (bench) => {
  const account = "onlyonthenode";
  const outside = `${bench.node.dir}/passwd`;
  await Deno.writeTextFile(outside, `${account}:x:0:0::/:/bin/sh\n`);
  for (
    const link of [outside, `../../../../../../../..${outside}`, `/proc/self/root${outside}`, `/proc/1/root${outside}`]
  ) {
    const entries = [...(await without(busyboxLayer(), "etc/passwd")), {
      path: "etc/passwd",
      type: "2" as const,
      link,
    }];
    const part = await use(bench, image([layer(entries)], { Env: [path], User: account }));
    await assertRefused(startOf(bench, part), [Code.INVALID_ARGUMENT, Code.FAILED_PRECONDITION], account);
  }
});

test("a passwd file that is a fifo, a device, or endless is refused at once (CVE-2025-4437)", async (bench) => {
  const entries = (passwd: Partial<Entry>) =>
    without(busyboxLayer(), "etc/passwd").then((rest) => [...rest, { path: "etc/passwd", ...passwd }]);
  const before = bench.daemon.rss();
  for (
    const passwd of [{ type: "6" as const }, { data: new Uint8Array(192 << 20) }, {
      type: "3" as const,
      device: [1, 5] as [number, number],
    }, { type: "5" as const }]
  ) {
    const part = await use(bench, image([layer(await entries(passwd))], { Env: [path], User: "app" }));
    const began = Date.now();
    await assertRefused(startOf(bench, part), [
      Code.INVALID_ARGUMENT,
      Code.FAILED_PRECONDITION,
      Code.RESOURCE_EXHAUSTED,
    ], "passwd");
    assert(Date.now() - began < 8_000, `refused after ${Date.now() - began} ms`);
  }
  assert(bench.daemon.rss() - before < 100, `the daemon grew by ${bench.daemon.rss() - before} MB`);
}, { skiffOnly: "it reads from the fifo for ever" });

test("a VOLUME that points out of the image stays in it (CVE-2022-23648)", async (bench) => {
  const part = await use(
    bench,
    base([{ path: "link", type: "2", link: "/../../etc" }], {
      Volumes: { "/../../../../etc/shadow": {}, "/link": {}, "/data": {} },
    }),
  );
  const before = Deno.readTextFileSync("/etc/shadow");
  await startOf(bench, part).catch(() => undefined);
  assertEquals(Deno.readTextFileSync("/etc/shadow"), before);
});

test("labels of an image never become labels of its containers (CVE-2026-53488)", async (bench) => {
  const part = await use(bench, base([], { Labels: { "io.kubernetes.pod.name": "stolen", evil: "1" } }));
  const container = await bench.create(await bench.sandbox(), { ...part, labels: { own: "1" } });
  const status = await bench.status(container.id);
  assertEquals([status.labels, status.annotations], [{ own: "1" }, {}]);
});

test("an image without layers has an empty root, not somebody else's (CVE-2026-24054)", async (bench) => {
  const part = await use(bench, image([], { Cmd: ["/bin/sh"] }));
  await assertRefused(startOf(bench, { ...part, command: ["/bin/sh"] }), [
    Code.INVALID_ARGUMENT,
    Code.FAILED_PRECONDITION,
    Code.NOT_FOUND,
    Code.INTERNAL,
  ], "/bin/sh");
});

test("layers that reach out of the root write nothing outside, and none escapes by a link", async (bench) => {
  const outside = `${bench.node.dir}/outside`;
  await Deno.mkdir(outside, { recursive: true });
  await Deno.writeTextFile(`${outside}/victim`, "untouched");
  const up = `../../../../../../../..${outside}`;
  const hostile: Record<string, Entry[]> = {
    dotdot: [{ path: `${up}/made`, data: "E" }],
    absolute: [{ path: `${outside}/made`, data: "E" }],
    symbolic: [{ path: "x", type: "2", link: outside }, { path: "x/made", data: "E" }],
    relative: [{ path: "x", type: "2", link: up }, { path: "x/made", data: "E" }],
    throughFile: [{ path: "x", type: "2", link: `${outside}/victim` }, { path: "x", data: "E" }],
    hard: [{ path: "h", type: "1", link: `${outside}/victim` }, { path: "h", data: "E" }],
    hardRelative: [{ path: "h", type: "1", link: `${up}/victim` }],
    whiteoutDots: [{ path: "a/.wh..." }, { path: "a/.wh.." }],
    whiteout: [{ path: "x", type: "2", link: outside }, { path: "x/.wh.victim" }],
    opaque: [{ path: "x", type: "2", link: outside }, { path: "x/.wh..wh..opq" }],
    mode: [{ path: "x", type: "2", link: outside }, { path: "x", type: "5", mode: 0o777, uid: 666 }],
    magic: [{ path: "x", type: "2", link: `/proc/self/root${outside}` }, { path: "x/made", data: "E" }],
    root: [{ path: ".", data: "E" }],
    rootLink: [{ path: "./", type: "2", link: outside }, { path: "made", data: "E" }],
    loop: [{ path: "l1", type: "2", link: "l2" }, { path: "l2", type: "2", link: "l1" }, { path: "l1/f", data: "E" }],
    overlay: [{
      path: "r",
      type: "5",
      pax: { "SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.trusted.overlay.opaque": "y" },
    }],
    nul: [{ path: "a", pax: { path: "a\0b" }, data: "E" }],
    empty: [{ path: "", data: "E" }],
  };
  for (const [what, entries] of Object.entries(hostile)) {
    await bench.node.registry.add(`hostile/${what.toLowerCase()}`, "1", base(entries));
    const name = bench.node.directImage(`hostile/${what.toLowerCase()}:1`);
    const pulled = await bench.pull(name).then(() => true, () => false);
    if (pulled) {
      // What is let in must run like any image, and show nothing of the node.
      const { lines } = await bench.runScript("cat /h /x /x/victim 2>/dev/null; echo end", { image: { image: name } });
      assert(!lines.some((line) => line.text.includes("untouched")), what);
    }
    assertEquals([...Deno.readDirSync(outside)].map((entry) => entry.name), ["victim"], what);
    assertEquals(Deno.readTextFileSync(`${outside}/victim`), "untouched", what);
    assertEquals(Deno.statSync(outside).uid, 0, what);
  }
});

test("a layer that inflates beyond its limit, or claims a size that isn't there, is refused", async (bench) => {
  const content = layer([{ path: "short", data: "x", size: 1 << 30 }]);
  await bench.node.registry.add("hostile/size", "1", image([content], {}));
  await assertRefused(bench.pull(bench.node.directImage("hostile/size:1")), [
    Code.INVALID_ARGUMENT,
    Code.FAILED_PRECONDITION,
    Code.DATA_LOSS,
  ]);
});

test(
  "annotations of other runtimes have no effect and never reach config.json (CVE-2023-6476, CVE-2024-3154)",
  async (bench) => {
    const annotations = {
      "org.systemd.property.ExecStartPre": "'/bin/touch /pwned'",
      "io.kubernetes.cri-o.UnifiedCgroup.main": "memory.max=max",
      "run.oci.hooks.stdout": "/dev/null",
      "io.katacontainers.config.hypervisor.path": "/bin/sh",
    };
    const sandbox = await bench.sandbox({ annotations });
    const container = await bench.run(
      { annotations, linux: { resources: { memoryLimitInBytes: 32n << 20n } } },
      sandbox,
    );
    assertEquals((await bench.status(container.id)).annotations, annotations);
    const limits = bench.node.podCgroups().filter((dir) => dir.includes("/memory/") && dir.includes(container.id)).map((
      dir,
    ) => Deno.readTextFileSync(`${dir}/memory.limit_in_bytes`).trim());
    assertEquals(limits, [String(32 << 20)]);
    const configs = findFiles(`${bench.node.dir}/skiff-state`, "config.json").map((file) =>
      Deno.readTextFileSync(file)
    );
    assert(configs.length > 0, "no config.json found");
    for (const config of configs) {
      assert(
        !config.includes("org.systemd.property") && !config.includes("run.oci."),
        "the annotation is in config.json",
      );
    }
    assert(!exists("/pwned"));
  },
  { skiffOnly: "its bundles are elsewhere" },
);

test("state folders are closed to others (CVE-2021-41103, CVE-2024-25621)", async (bench) => {
  await bench.run();
  const { state, root, socket } = bench.daemon as unknown as { state: string; root: string; socket: string };
  for (const dir of [state, root]) assertEquals((Deno.statSync(dir).mode! & 0o777).toString(8), "700", dir);
  assertEquals((Deno.statSync(socket).mode! & 0o777).toString(8), "660");
}, { skiffOnly: "its folders are 0711" });

test("references that are no references are refused by field (CVE-2024-3727)", async ({ client }) => {
  for (
    const image of [
      "",
      "registry.test/UPPER/case",
      "a b",
      "registry.test/x@sha256:../../etc",
      "registry.test/x@sha256:12",
      "registry.test/x:../y",
      "http://registry.test/x",
      "registry.test/../../etc",
      "x".repeat(1000),
      "registry.test/x:a\nb",
    ]
  ) {
    await assertRefused(client.pullImage({ image: { image } }), Code.INVALID_ARGUMENT, "image");
  }
});

function findFiles(dir: string, name: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(dir)) {
    const at = `${dir}/${entry.name}`;
    if (entry.isDirectory && entry.name !== "rootfs" && entry.name !== "layers") found.push(...findFiles(at, name));
    else if (entry.name === name) found.push(at);
  }
  return found;
}
