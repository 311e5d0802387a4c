/** Where bytes come from, and what happens when they do not: mirrors, short names, cuts, limits, stalls, redirects. */
import { assert, assertEquals } from "@std/assert";
import { type Image, image, layer } from "../images/image.ts";
import { Code } from "../support/client.ts";
import { tryRun, waitUntil } from "../support/command.ts";
import { assertRefused, type Workbench } from "../support/pods.ts";
import type { Instance } from "../support/instance.ts";
import { suite } from "../support/suite.ts";
import { tools } from "../support/tools.ts";
import { hosts, Registries } from "./registries.ts";
import { gateOf, PASSWORD, USER } from "./servers.ts";

let registries: Registries;
const { test } = suite({
  images: [],
  daemon: async (node) => (registries = await Registries.start(node)).options,
});

const LOGIN = { username: USER, password: PASSWORD };

function tell(name: string, body: (bench: Workbench) => Promise<void>): void {
  test(name, async (bench) => {
    await registries.clear();
    await body(bench);
  }, { skiffOnly: "it reads other files" });
}

const pull = async (bench: Workbench, name: string, auth?: Record<string, string>) =>
  (await bench.client.pullImage({ image: { image: name }, auth })).imageRef;

/** An image of some 700 KB in one layer, which no other test has, as `test/NAME:1`. */
async function fresh(bench: Workbench, name: string): Promise<Image> {
  const bytes = new Uint8Array(700_000);
  for (let at = 0; at < bytes.length; at += 50_000) crypto.getRandomValues(bytes.subarray(at, at + 50_000));
  const made = image([layer([{ path: "data", data: bytes }])], { Cmd: ["/data"] });
  await bench.node.registry.add(`test/${name}`, "1", made);
  return made;
}

const blobs = async () => (await registries.seen()).filter(({ path }) => path.includes("/blobs/"));

tell(
  "mirrors: one that is down is passed over, rewritten paths are asked for, the registry comes last",
  async (bench) => {
    const made = await fresh(bench, "mirrored");
    await registries.conf(`
[[registry]]
prefix = "example.test/team"
location = "${hosts.down}"
[[registry.mirror]]
location = "${hosts.down}/cache"
[[registry.mirror]]
location = "${hosts.plain}/test"
insecure = true
`);
    assertEquals(await pull(bench, "example.test/team/mirrored:1"), made.config.digest);
    const { image: found } = await bench.client.imageStatus({ image: { image: "example.test/team/mirrored:1" } });
    assertEquals(found?.repoTags, ["example.test/team/mirrored:1"]);
    await registries.conf(
      `[[registry]]\nlocation = "${hosts.down}"\n[[registry.mirror]]\nlocation = "${hosts.down}/cache"\n`,
    );
    await assertRefused(
      pull(bench, `${hosts.down}/test/busybox:1`),
      Code.UNKNOWN,
      "RegistryUnavailable: ",
      `https://${hosts.down}/v2/test/busybox/manifests/1`,
      `https://${hosts.down}/v2/cache/test/busybox/manifests/1`,
    );
  },
);

tell("mirrors: a mirror for digests alone is not asked for a tag", async (bench) => {
  const made = await fresh(bench, "digests");
  await registries.conf(`
[[registry]]
prefix = "example.test"
location = "${hosts.down}"
mirror-by-digest-only = true
[[registry.mirror]]
location = "${hosts.plain}"
insecure = true
`);
  await assertRefused(pull(bench, "example.test/test/digests:1"), Code.UNKNOWN, "RegistryUnavailable: ");
  assertEquals(await pull(bench, `example.test/test/digests@${made.manifest.digest}`), made.config.digest);
});

tell("mirrors: one that sends wrong bytes loses to the registry", async (bench) => {
  const made = await fresh(bench, "lied-about");
  await registries.conf(`
[[registry]]
prefix = "example.test"
location = "${hosts.plain}/test"
insecure = true
[[registry.mirror]]
location = "${hosts.flaky}/wrong"
insecure = true
`);
  assertEquals(await pull(bench, "example.test/lied-about:1"), made.config.digest);
  assert((await blobs()).length > 0, "the mirror was not asked");
});

tell(
  "registries.conf: what is blocked is refused with the line, and a change is seen at the next pull",
  async (bench) => {
    await registries.conf(`# first\n[[registry]]\nlocation = "${hosts.tls}"\nblocked = true\n`);
    const name = `${hosts.tls}/test/busybox:1`;
    await assertRefused(pull(bench, name), Code.FAILED_PRECONDITION, "blocked", registries.file("registries.conf:2"));
    await registries.conf("");
    await pull(bench, name);
    await registries.conf("[[registry]]\nlocation = 1\n");
    await pull(bench, name);
  },
);

tell("registries.conf: a short name is its alias, else looked for at each registry in turn", async (bench) => {
  const made = await fresh(bench, "short");
  await registries.conf(`
unqualified-search-registries = ["${hosts.down}", "${hosts.tls}"]
[aliases]
"nick" = "${hosts.tls}/test/short"
`);
  for (const name of ["nick:1", "test/short:1"]) {
    assertEquals(await pull(bench, name), made.config.digest);
    const { image: found } = await bench.client.imageStatus({ image: { image: name } });
    assertEquals(found?.repoTags, [`${hosts.tls}/test/short:1`], name);
  }
  await assertRefused(pull(bench, "test/nowhere:1"), Code.NOT_FOUND, hosts.down, hosts.tls);
  const { stdout, stderr } = await tryRun(tools.skiff, ["image", "resolve", "test/short:1"], {
    env: { SKIFF_SOCKET: bench.daemon.socket },
  });
  for (
    const word of [
      `${hosts.down}/test/short:1  (`,
      `1. https://${hosts.tls}`,
      "unqualified-search",
      `${hosts.tls}/ca.crt`,
    ]
  ) {
    assert(stdout.includes(word), stdout + stderr);
  }
});

for (
  const [mode, what, atLeast] of [
    ["cut", "cut again and again is taken up where it broke", 6],
    ["stalling", "stalled is taken up after the timeout", 3],
    ["busy", "answered with 503 is asked for again", 3],
    ["limited", "limited by 429 waits as long as it is told", 2],
  ] as const
) {
  tell(`downloads: one that is ${what}`, async (bench) => {
    const made = await fresh(bench, mode);
    assertEquals(await pull(bench, `${hosts.flaky}/${mode}/${mode}:1`), made.config.digest);
    const asked = await blobs();
    assert(asked.length >= atLeast, `${asked.length} requests for blobs`);
    const resumed = asked.filter(({ range }) => range !== null);
    assertEquals(resumed.length > 0, mode === "cut" || mode === "stalling");
  });
}

for (
  const [how, interrupt] of [
    ["was cancelled", (_: Workbench, cancel: AbortController) => Promise.resolve(cancel.abort())],
    ["ended with the daemon", (bench: Workbench) => bench.daemon.stop()],
    ["died with kill -9", (bench: Workbench) => bench.daemon.kill9()],
  ] as const
) {
  tell(`downloads: the pull after one that ${how} does not fetch again what was whole`, async (bench) => {
    const bytes = new Uint8Array(300_000);
    for (let at = 0; at < bytes.length; at += 50_000) crypto.getRandomValues(bytes.subarray(at, at + 50_000));
    const [small, large] = [
      layer([{ path: "small", data: `${how} ${crypto.randomUUID()}` }]),
      layer([{ path: "large", data: bytes }]),
    ];
    const made = image([small, large], { Cmd: ["/small"] });
    await bench.node.registry.add("test/gated", "1", made);
    const gate = gateOf(registries.file("seen.log"));
    await Deno.remove(gate).catch(() => {});
    const name = `${hosts.flaky}/gated/gated:1`;
    const cancel = new AbortController();
    const first = bench.client.pullImage({ image: { image: name } }, { signal: cancel.signal }).then(
      () => "done",
      () => "ended",
    );
    const { root } = bench.daemon as Instance;
    const staged = () =>
      [...Deno.readDirSync(`${root}/staging`)].flatMap(({ name }) => {
        try {
          return [...Deno.readDirSync(`${root}/staging/${name}`)].map((file) => file.name);
        } catch {
          return [];
        }
      });
    await waitUntil("one layer is whole", () => staged().some((file) => file.endsWith(".json")));
    await interrupt(bench, cancel);
    assertEquals(await first, "ended");
    if (!bench.daemon.runs) await bench.daemon.start();
    // One that still runs would be joined, and go on.
    await waitUntil("no pull runs", async () => {
      const { info } = await bench.client.imageStatus({ image: { image: name }, verbose: true });
      return info.pull === undefined;
    });
    await Deno.writeTextFile(gate, "");
    await registries.seen();
    assertEquals(await pull(bench, name), made.config.digest);
    const asked = (await blobs()).map(({ path }) => path.slice(path.lastIndexOf("/") + 1));
    assertEquals([asked.includes(small.digest), asked.includes(large.digest)], [false, true]);
    assertEquals(staged(), []);
    await bench.client.removeImage({ image: { image: name } });
  });
}

tell("downloads: too long, too short, wrong and never are told apart, and leave nothing", async (bench) => {
  const made = await fresh(bench, "bad");
  const name = (mode: string) => `${hosts.flaky}/${mode}/bad:1`;
  await assertRefused(pull(bench, name("long")), Code.FAILED_PRECONDITION, "more than the");
  await assertRefused(pull(bench, name("short")), Code.UNKNOWN, "RegistryUnavailable", "the answer ends after");
  await assertRefused(pull(bench, name("wrong")), [Code.DATA_LOSS, Code.FAILED_PRECONDITION], made.config.digest);
  await assertRefused(pull(bench, name("broken")), Code.UNKNOWN, "RegistryUnavailable", hosts.flaky, "500");
  await assertRefused(
    pull(bench, name("always-limited")),
    Code.RESOURCE_EXHAUSTED,
    hosts.flaky,
    "429",
    "limits its clients",
  );
  assertEquals((await bench.client.imageStatus({ image: { image: made.config.digest } })).image, undefined);
});

tell("redirects: credentials stay with the registry when a blob is at another host (CVE-2020-15157)", async (bench) => {
  const made = await fresh(bench, "away");
  assertEquals(await pull(bench, `${hosts.redirecting}/away/away:1`, LOGIN), made.config.digest);
  const seen = await registries.seen();
  assert(seen.some(({ server, authorization }) => server === "redirecting" && authorization !== null));
  const elsewhere = seen.filter(({ server }) => server === "secureElsewhere");
  assert(elsewhere.length > 0, "nothing was fetched elsewhere");
  assertEquals(elsewhere.filter(({ authorization }) => authorization !== null), []);
});

tell("redirects: none from https to http is followed, and its signature is not shown", async (bench) => {
  await fresh(bench, "downgraded");
  const name = `${hosts.redirecting}/downgraded/downgraded:1`;
  await assertRefused(pull(bench, name, LOGIN), Code.FAILED_PRECONDITION, "where nothing is encrypted");
  assertEquals((await registries.seen()).filter(({ server }) => server === "elsewhere"), []);
  assert(!/s3cret/.test(bench.daemon.log()), "a signature is in the log");
});
