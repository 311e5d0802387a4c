import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  ContainerState,
  ContainerStatus,
  type ExecSyncRequest,
  Image,
  type ListContainersRequest,
  type ListPodSandboxRequest,
  PodSandboxState,
} from "../../../proto/gen/runtime/v1/api.ts";
import { Job, JobState, type PullImageProgressRequest } from "../../../proto/gen/skiff/v1/admin.ts";
import { Container, PodSandbox } from "../../../proto/gen/runtime/v1/api.ts";
import { Code, RpcError } from "../../../src/rpc/mod.ts";
import { kernel } from "../../../src/sys/mod.ts";
import { skiff, withAnswers } from "./support.ts";

// libc is loaded once for the process: here, so that no test seems to leak it.
kernel.exists("/");

/** grpc-js waits between its tries to connect; the timer dies with the process. */
const unreachable = { sanitizeOps: false, sanitizeResources: false };

const ID = (letter: string) => letter.repeat(64);
const pods = [
  PodSandbox.fromPartial({ id: ID("a"), metadata: { name: "web-0", namespace: "default", uid: "u" }, createdAt: 5n }),
  PodSandbox.fromPartial({
    id: ID("b"),
    metadata: { name: "dns", namespace: "kube-system", uid: "v", attempt: 2 },
    createdAt: 9n,
    state: PodSandboxState.SANDBOX_NOTREADY,
    runtimeHandler: "crun",
  }),
];
const containers = [
  Container.fromPartial({
    id: ID("c"),
    podSandboxId: ID("a"),
    metadata: { name: "nginx", attempt: 1 },
    image: { image: ID("f"), userSpecifiedImage: "nginx:1" },
    state: ContainerState.CONTAINER_RUNNING,
    createdAt: 1n,
  }),
];
const listing = {
  listPodSandbox: () => ({ items: pods }),
  listContainers: () => ({ containers }),
};

Deno.test("skiff pod ls prints one line per pod, youngest first", () =>
  withAnswers({ runtime: listing }, async (socket) => {
    const { code, out } = await skiff("pod", "ls", "--socket", socket);
    assertEquals(code, 0);
    const lines = out.split("\n");
    assertMatch(lines[0], /^POD +NAMESPACE +NAME +STATE +AGE +ATTEMPT +RUNTIME$/);
    assertMatch(lines[1], /^b{13} {2}kube-system {2}dns {4}notready {2}\d+d +2 {8}crun$/);
    assertMatch(lines[2], /^a{13} {2}default {6}web-0 {2}ready {5}\d+d +0 {8}\(default\)$/);
    const quiet = await skiff("pod", "ls", "-q", "-n", "default", "--socket", socket);
    assertEquals(quiet.out, `${ID("a")}\n`);
    const json = await skiff("pod", "ls", "--json", "--socket", socket);
    assertEquals(JSON.parse(json.out).map((pod: { state: string }) => pod.state), ["notready", "ready"]);
  }));

Deno.test("skiff pod ls and skiff ps send their filters", async () => {
  const asked: unknown[] = [];
  await withAnswers({
    runtime: {
      listPodSandbox: (request: ListPodSandboxRequest) => (asked.push(request.filter), { items: pods }),
      listContainers: (request: ListContainersRequest) => (asked.push(request.filter), { containers }),
    },
  }, async (socket) => {
    await skiff("pod", "ls", "--state", "ready", "-l", "a=b", "-l", "c=d=e", "--socket", socket);
    await skiff("ps", "--socket", socket);
    await skiff("ps", "--all", "--pod", "default/web-0", "--socket", socket);
    await skiff("ps", "--state", "exited", "-l", "x=y", "--socket", socket);
  });
  const labels = { a: "b", c: "d=e" };
  assertEquals(asked.filter(Boolean), [
    { id: "", state: { state: PodSandboxState.SANDBOX_READY }, labelSelector: labels },
    { id: "", state: { state: ContainerState.CONTAINER_RUNNING }, podSandboxId: "", labelSelector: {} },
    { id: "", state: undefined, podSandboxId: ID("a"), labelSelector: {} },
    { id: "", state: { state: ContainerState.CONTAINER_EXITED }, podSandboxId: "", labelSelector: { x: "y" } },
  ]);
});

Deno.test("skiff ps names the image that was asked for and the pod", () =>
  withAnswers({ runtime: listing }, async (socket) => {
    const { out } = await skiff("ps", "--socket", socket);
    assertMatch(out.split("\n")[1], /^c{13} +nginx +running +\d+d +1 +nginx:1 +default\/web-0$/);
  }));

Deno.test("skiff exec prints both streams, takes options after the command as the command's, and ends with its exit code", async () => {
  const asked: ExecSyncRequest[] = [];
  const bytes = (text: string) => new TextEncoder().encode(text);
  await withAnswers({
    runtime: {
      ...listing,
      execSync: (request) => (asked.push(request), { stdout: bytes("out"), stderr: bytes("err"), exitCode: 42 }),
    },
  }, async (socket) => {
    const ran = await skiff("exec", "-s", "--socket", socket, "--timeout", "3", "nginx", "ls", "-l", "--json");
    assertEquals(ran, { code: 42, out: "out", err: "err" });
  });
  assertEquals(asked, [{ containerId: ID("c"), cmd: ["ls", "-l", "--json"], timeout: 3n }]);
});

Deno.test("skiff exec refuses a container that does not exist", () =>
  withAnswers({ runtime: listing }, async (socket) => {
    const { code, err } = await skiff("exec", "--socket", socket, "redis", "ls");
    assertEquals([code, err], [1, 'skiff: no container has the ID or the name "redis"\n']);
  }));

Deno.test("skiff image ls has a line per name and shows ports in names right", async () => {
  const image = Image.fromPartial({
    id: `sha256:${ID("d")}`,
    repoTags: ["localhost:5000/app:1", "docker.io/library/app:1"],
    repoDigests: [`localhost:5000/app@sha256:${ID("e")}`],
    size: 1_500_000n,
    pinned: true,
  });
  const spec = { annotations: { "skiff/artifact-type": "application/vnd.cncf.helm.config.v1+json" } };
  const bare = Image.fromPartial({ id: `sha256:${ID("f")}`, size: 3n, spec });
  await withAnswers({ images: { listImages: () => ({ images: [image, bare] }) } }, async (socket) => {
    const { out } = await skiff("image", "ls", "--digests", "--socket", socket);
    const cells = out.trim().split("\n").slice(1).map((line) => line.split(/ {2,}/));
    assertEquals(cells, [
      ["<none>", "<none>", "f".repeat(13), "3B", "artifact"],
      ["docker.io/library/app", "1", "d".repeat(13), "1.50MB", "image", "yes"],
      ["localhost:5000/app", "1", "d".repeat(13), "1.50MB", "image", "yes", `sha256:${ID("e")}`],
    ]);
  });
});

Deno.test("skiff image rm removes what it can and names what it cannot", async () => {
  const removed: string[] = [];
  await withAnswers({
    images: {
      imageStatus: ({ image }) => ({
        image: image?.image === "none" ? undefined : Image.fromPartial({ id: `id-of-${image?.image}` }),
        info: {},
      }),
      removeImage: ({ image }) => {
        if (image?.image === "id-of-used") throw new RpcError(Code.FAILED_PRECONDITION, "the container x uses it");
        removed.push(image!.image);
        return {};
      },
    },
  }, async (socket) => {
    const { code, out, err } = await skiff("image", "rm", "--socket", socket, "used", "none", "good");
    assertEquals([code, out, removed], [1, "id-of-good\n", ["id-of-good"]]);
    assertEquals(err, "skiff: used: the container x uses it\nskiff: none: there is no such image on this node\n");
  });
});

Deno.test("skiff image pull shows progress on standard error and the ID on standard output", async () => {
  const asked: PullImageProgressRequest[] = [];
  const step = (phase: string, bytesDone: bigint, imageId = "") => ({
    phase,
    bytesDone,
    bytesTotal: 1000n,
    layersDone: 0,
    layersTotal: 2,
    imageId,
  });
  await withAnswers({
    admin: {
      pullImageProgress: async function* (request) {
        asked.push(request);
        yield step("resolving", 0n);
        for (let done = 0n; done <= 1000n; done += 10n) yield step("pulling", done);
        yield step("done", 1000n, "sha256:abc");
      },
    },
  }, async (socket) => {
    const { code, out, err } = await skiff("image", "pull", "--socket", socket, "busybox");
    assertEquals([code, out], [0, "sha256:abc\n"]);
    const lines = err.trim().split("\n");
    assertEquals([lines[0], lines.at(-1), lines.length], ["busybox: resolving", "busybox: done", 13]);
    assertStringIncludes(lines[6], "busybox: 50%, 500B of 1.00kB, layers 0/2");
    assertEquals((await skiff("image", "pull", "-q", "--socket", socket, "busybox")).err, "");
  });
  assertEquals(asked[0], { image: "busybox", username: "", password: "" });
});

Deno.test("skiff image pull says why it failed", () =>
  withAnswers({
    admin: {
      pullImageProgress: async function* () {
        yield { phase: "resolving", bytesDone: 0n, bytesTotal: 0n, layersDone: 0, layersTotal: 0, imageId: "" };
        throw new RpcError(Code.NOT_FOUND, "the registry has no such tag");
      },
    },
  }, async (socket) => {
    const ran = await skiff("image", "pull", "--socket", socket, "busybox");
    assertEquals(ran, { code: 1, out: "", err: "busybox: resolving\nskiff: the registry has no such tag\n" });
  }));

Deno.test("skiff takes UNAVAILABLE from a daemon that answers as a failure, not as nobody there", () =>
  withAnswers({
    runtime: {
      ...listing,
      listContainers: () => {
        throw new RpcError(Code.UNAVAILABLE, "busy");
      },
    },
  }, async (socket) => {
    assertEquals(await skiff("ps", "--socket", socket), { code: 1, out: "", err: "skiff: busy\n" });
  }));

Deno.test("skiff image import refuses a relative path before it asks the daemon", async () => {
  const { code, err } = await skiff("image", "import", "layout", "--socket", "/nowhere");
  assertEquals([code, err], [2, 'skiff: "layout" is not an absolute path; the daemon has another working folder\n']);
});

Deno.test("skiff image import prints steps and the images", () =>
  withAnswers({
    admin: {
      importImage: async function* ({ path, name }) {
        yield { step: `reading ${path}`, images: [] };
        yield { step: "", images: [{ id: `sha256:${ID("d")}`, names: [name], size: 2_000_000n }] };
      },
    },
  }, async (socket) => {
    const ran = await skiff("image", "import", "/x", "--name", "demo:1", "--socket", socket);
    assertEquals(ran, { code: 0, out: `${"d".repeat(13)}  2.00MB  demo:1\n`, err: "reading /x\n" });
  }));

Deno.test("skiff jobs shows each step, its time, and what a running one waits for", async () => {
  const second = 1_000_000_000n;
  const started = BigInt(Date.now()) * 1_000_000n - 10n * second;
  const job = Job.fromPartial({
    id: "j1",
    kind: "run-pod-sandbox",
    subject: "default/web-0",
    state: JobState.JOB_RUNNING,
    startedAt: started,
    steps: [
      { name: "namespaces", startedAt: started, duration: 2_500_000n },
      { name: "network", startedAt: started, duration: 0n, waitingFor: "CNI plugin bridge" },
    ],
  });
  await withAnswers({ admin: { listJobs: () => ({ jobs: [job] }) } }, async (socket) => {
    const { out } = await skiff("jobs", "--steps", "--socket", socket);
    assertMatch(out, /^j1 {2}run-pod-sandbox {2}default\/web-0 {2}running {2}1\ds ago {2}1\d\.\d\ds\n/);
    assertMatch(out, /\n +2\.5ms {2}namespaces\n +1\d\.\d\ds {2}network {2}… waits for CNI plugin bridge\n$/);
    assertMatch((await skiff("jobs", "--socket", socket)).out, /^JOB +KIND +SUBJECT +STATE +STARTED +TOOK/);
  });
});

Deno.test("skiff status ends with 1 while a condition is not met", () =>
  withAnswers({
    runtime: {
      version: () => ({ version: "0.1.0", runtimeName: "skiff", runtimeVersion: "0.1.0", runtimeApiVersion: "v1" }),
      status: () => ({
        status: {
          conditions: [
            { type: "RuntimeReady", status: true, reason: "", message: "" },
            { type: "NetworkReady", status: false, reason: "NoConfig", message: "no CNI configuration" },
          ],
        },
        info: { kernel: "6.1", storage: '{"layers":"erofs","problem":""}', config: '{"log":{"level":"info"}}' },
        runtimeHandlers: [{ name: "", features: { recursiveReadOnlyMounts: true, userNamespaces: false } }],
        features: undefined,
      }),
    },
  }, async (socket) => {
    const { code, out, err } = await skiff("status", "--socket", socket);
    assertEquals([code, err], [1, ""]);
    assertStringIncludes(out, "NetworkReady  no   NoConfig: no CNI configuration\n");
    assertStringIncludes(out, "(default)        yes                  no\n");
    assertEquals(out.endsWith("\nkernel: 6.1\nstorage: layers erofs\n"), true, out);
  }));

Deno.test("skiff logs puts partial lines together and gives each stream its own way out", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/0.log`;
  await Deno.writeTextFile(path, "t1 stdout F one\nt2 stderr F two\nt3 stdout P th\nt4 stdout F ree\n");
  const containerStatus = () => ({
    status: ContainerStatus.fromPartial({ logPath: path, state: ContainerState.CONTAINER_EXITED }),
    info: {},
  });
  await withAnswers({ runtime: { ...listing, containerStatus } }, async (socket) => {
    assertEquals(await skiff("logs", "nginx", "--socket", socket), { code: 0, out: "one\nthree\n", err: "two\n" });
    assertEquals((await skiff("logs", "-t", "--tail", "1", "nginx", "--socket", socket)).out, "t3 three\n");
    assertEquals((await skiff("logs", "--follow", "nginx", "--socket", socket)).out, "one\nthree\n");
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("every command that needs the daemon ends with 3 where nobody answers", unreachable, async () => {
  const socket = ["--socket", "/run/none.sock"];
  const lines = [["ps"], ["status"], ["pod", "ls"], ["image", "ls"], ["jobs"], ["logs", "x"], ["image", "pull", "x"]]
    .map((words) => [...words, ...socket]);
  for (const words of [...lines, ["exec", ...socket, "x", "y"]]) {
    const { code, err } = await skiff(...words);
    assertEquals([words.join(" "), code], [words.join(" "), 3]);
    assertStringIncludes(err, "/run/none.sock");
  }
});

Deno.test("skiff version says why the daemon was not reached, and ends with 0", unreachable, async () => {
  const { code, out } = await skiff("version", "--socket", "/run/none.sock");
  assertEquals(code, 0);
  assertMatch(out, /^skiff \S+ \(\S+\), Deno \S+\ndaemon: cannot connect to \/run\/none\.sock/);
  assertEquals((await skiff("version", "--client", "--socket", "/run/none.sock")).out.split("\n").length, 2);
});
