/** A node serves its images: to curl as the specification has it, and to a second node that has no other registry. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { busybox } from "../images/busybox.ts";
import { digestOf, image, layer } from "../images/image.ts";
import { removeCgroup } from "../support/cgroups.ts";
import { Instance } from "../support/instance.ts";
import { waitUntil } from "../support/command.ts";
import { Workbench } from "../support/pods.ts";
import { suite } from "../support/suite.ts";

const PORT = 5300;
const URL = `http://127.0.0.1:${PORT}`;
const { test } = suite({ daemon: { config: { images: { serve: { address: `127.0.0.1:${PORT}` } } } } });

const alone = { skiffOnly: "no peer serves its images" };

interface Reply {
  status: number;
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
}

/** As a program in the node's network. */
async function curl(bench: Workbench, path: string, ...options: string[]): Promise<Reply> {
  const folder = await Deno.makeTempDir({ dir: bench.node.dir });
  const [head, body] = [`${folder}/head`, `${folder}/body`];
  await Deno.writeTextFile(body, "");
  const { code, stderr } = await bench.node.holder.tryRun(
    "curl",
    ...["-sS", "--path-as-is", "-m", "20", "-D", head, "-o", body, ...options, `${URL}${path}`],
  );
  if (code !== 0) throw new Error(`curl ended with ${code}: ${stderr}`);
  const [first, ...lines] = (await Deno.readTextFile(head)).trim().split("\r\n");
  const headers = new Headers(lines.map((line) => line.split(/: (.*)/).slice(0, 2) as [string, string]));
  const reply = { status: Number(first.split(" ")[1]), headers, body: await Deno.readFile(body) };
  await Deno.remove(folder, { recursive: true });
  return reply;
}

const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
const served = (bench: Workbench) =>
  waitUntil("the registry answers", async () => (await curl(bench, "/v2/").catch(() => undefined))?.status === 200);

test("serving: manifests, configs and layers are what their digests say, whole and in parts", async (bench) => {
  await served(bench);
  const path = "/v2/test/busybox";
  const query = "?ns=registry.test";
  const { status, headers, body } = await curl(bench, `${path}/manifests/1${query}`);
  assertEquals(status, 200);
  assertEquals(headers.get("content-type"), "application/vnd.oci.image.manifest.v1+json");
  const digest = headers.get("docker-content-digest")!;
  assertEquals(digestOf(body), digest);
  assertEquals((await curl(bench, `${path}/manifests/${digest}${query}`)).body, body);
  assertEquals((await curl(bench, `/v2/registry.test/test/busybox/manifests/1`)).body, body);
  const manifest = parse(body);
  assertEquals(manifest.config.digest, busybox().config.digest);
  for (const { digest, size, mediaType } of [manifest.config, ...manifest.layers]) {
    const blob = `${path}/blobs/${digest}${query}`;
    const part = await curl(bench, blob, "-r", "10-19");
    assertEquals([part.status, part.headers.get("content-range")], [206, `bytes 10-19/${size}`]);
    const whole = await curl(bench, blob);
    assertEquals([digestOf(whole.body), whole.body.length], [digest, size], mediaType);
    assertEquals(part.body, whole.body.slice(10, 20));
    const head = await curl(bench, blob, "-I");
    assertEquals([head.status, head.headers.get("content-length")], [200, String(size)]);
  }
  assertEquals(parse((await curl(bench, `${path}/tags/list${query}`)).body).tags, ["1"]);
}, alone);

test("serving: what a stranger tries besides is refused, and the node goes on", async (bench) => {
  await served(bench);
  for (
    const [path, status, ...options] of [
      ["/v2/test/busybox/manifests/1", 404],
      ["/v2/../../../etc/passwd", 404],
      ["/v2/registry.test/test/busybox/blobs/../../../../store.db", 404],
      ["/v2/registry.test/test/busybox/blobs/sha256:../../store.db", 404],
      ["/v2/registry.test/test/busybox/blobs/sha256:store.db", 400],
      ["/v2/registry.test/test/busybox/manifests/1", 405, "-X", "PUT", "-d", "{}"],
      ["/v2/registry.test/test/busybox/manifests/1", 405, "-X", "DELETE"],
      ["/v2/registry.test/test/busybox/blobs/uploads/", 405, "-X", "POST"],
      // A page of the web whose name was made to point here.
      ["/v2/registry.test/test/busybox/manifests/1", 403, "-H", "Host: evil.example:5300"],
    ] as [string, number, ...string[]][]
  ) {
    const reply = await curl(bench, path, ...options);
    assertEquals(reply.status, status, `${path} ${options.join(" ")}`);
    assertMatch(parse(reply.body).errors[0].code, /^[A-Z_]+$/);
  }
  await bench.client.version({});
}, alone);

test("serving: the process has no file of the daemon's open, and is started again when it ends", async (bench) => {
  await served(bench);
  const pid = await childOf(bench.daemon.pid, "__images");
  const descriptors = [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) =>
    Deno.readLinkSync(`/proc/${pid}/fd/${name}`)
  );
  assertEquals(descriptors.filter((path) => path.startsWith(bench.node.root) && !path.includes("-bin/")), []);
  Deno.kill(pid, "SIGKILL");
  await waitUntil(
    "another one runs",
    async () => (await childOf(bench.daemon.pid, "__images").catch(() => pid)) !== pid,
  );
  await served(bench);
}, alone);

test(
  "serving: a second node pulls from the first, the same image by ID, and runs it; what goes is not served",
  async (bench) => {
    await served(bench);
    const made = image([
      layer([{ path: "a", data: "one" }]),
      layer([{ path: "b", data: new Uint8Array(400_000).fill(7) }]),
    ], {
      Cmd: ["/a"],
    });
    await bench.node.registry.add("test/passed-on", "1", made);
    const name = bench.node.image("test/passed-on:1");
    const mirrors = { mirrors: [{ url: URL }] };
    await using second = new Instance(bench.node, {
      title: "second",
      config: { images: { registries: { "registry.test": mirrors, "docker.io": mirrors } } },
    });
    await second.start();
    try {
      await using other = new Workbench(second);
      assertEquals(await second.client.pullImage({ image: { image: name } }).catch(() => undefined), undefined);
      await bench.pull(name);
      const { imageRef } = await second.client.pullImage({ image: { image: name } });
      assertEquals(imageRef, made.config.digest);
      const { image: found } = await second.client.imageStatus({ image: { image: name } });
      assertEquals([found?.id, found?.repoTags], [made.config.digest, [name]]);
      await second.client.pullImage({ image: { image: bench.busybox } });
      const container = await other.run();
      assertEquals(await other.sh(container, "echo runs"), "runs");
      await other.remove(container.sandbox.id);
      await second.client.removeImage({ image: { image: name } });
      await bench.client.removeImage({ image: { image: name } });
      assertEquals((await curl(bench, "/v2/registry.test/test/passed-on/manifests/1")).status, 404);
    } finally {
      await second.stop();
      await removeCgroup(`/${bench.node.name}/${second.cgroup}`);
    }
  },
  alone,
);

test("serving: a damaged layer is not sent to its end, and the log names it", async (bench) => {
  await served(bench);
  const data = new Uint8Array(700_000).fill(9);
  const made = image([layer([{ path: "data", data }])], { Cmd: ["/data"] });
  await bench.node.registry.add("test/spoilt", "1", made);
  const name = bench.node.image("test/spoilt:1");
  await bench.pull(name);
  const manifest = parse((await curl(bench, "/v2/registry.test/test/spoilt/manifests/1")).body);
  const { digest } = manifest.layers[0];
  const file = `${(bench.daemon as Instance).root}/layers/${digest.slice(7)}.erofs`;
  using open = await Deno.open(file, { write: true });
  await open.seek(300_000, Deno.SeekMode.Start);
  await open.write(new Uint8Array([1, 2, 3]));
  for (const options of [[], ["-r", "0-9"]]) {
    const error = await curl(bench, `/v2/registry.test/test/spoilt/blobs/${digest}`, ...options).catch((error) =>
      error
    );
    assert(error instanceof Error, "it was sent");
    // The client has fewer bytes than were announced.
    assertMatch(error.message, /curl ended with (18|52|56)/);
  }
  await waitUntil("the log names it", () => bench.daemon.log().includes(`a layer is damaged and was not served`));
  await bench.client.removeImage({ image: { image: name } });
}, alone);

async function childOf(parent: number, word: string): Promise<number> {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^[0-9]+$/.test(name)) continue;
    const stat = await Deno.readTextFile(`/proc/${name}/stat`).catch(() => "");
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (stat.replace(/^.*\) /, "").split(" ")[1] === String(parent) && command.split("\0").includes(word)) {
      return Number(name);
    }
  }
  throw new Error(`process ${parent} has no child ${word}`);
}
