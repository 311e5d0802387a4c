import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Check, type CheckContext, pod, script } from "../check.ts";
import { KubectlSession } from "../kubectl_session.ts";

/** Lines of one burst: more than the kubelet's containerLogMaxSize of 64 KiB, so that one burst is one rotation. */
const burst = 800;
/** Fewer lines than that: after them nothing is rotated. */
const rest = 100;
/** Writes a burst of numbered lines each time a file /tmp/goN appears, the last of them a small one. */
const bursts = `for n in 0 1 2; do while [ ! -e /tmp/go$n ]; do sleep 0.1; done
awk -v from=$((n * ${burst})) -v count=$((n < 2 ? ${burst} : ${rest})) \\
  'BEGIN { for (i = 1; i <= count; i++) printf "%06d %080d\\n", from + i, 0 }'; done
trap 'exit 0' TERM; sleep 3600 & wait $!`;

interface Writer {
  /** The folder of the container's logs, on the node. */
  folder: string;
  files(): Promise<string[]>;
  write(number: number): Promise<void>;
}

async function writer({ cluster, namespace, apply, ready, exec }: CheckContext): Promise<Writer> {
  await apply(pod("writes", { containers: [script("main", cluster.image("busybox"), bursts)] }));
  const { metadata } = await ready("writes");
  const folder = `${cluster.podLogs}/${namespace}_writes_${metadata.uid}/main`;
  return {
    folder,
    files: async () => (await cluster.run("ls", folder)).trim().split("\n"),
    write: async (number) => void await exec("writes", "touch", `/tmp/go${number}`),
  };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at + 1);

/** The numbers of the lines in CRI log text; a line in parts counts once. */
function written(text: string): number[] {
  const found: number[] = [];
  let whole = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, tag, content] = /^\S+ stdout ([FP]) (.*)$/.exec(line) ?? [];
    assert(tag !== undefined, `not a line of a CRI log: ${JSON.stringify(line)}`);
    whole += content;
    if (tag === "P") continue;
    assertMatch(whole, /^\d{6} 0{80}$/);
    found.push(Number(whole.slice(0, 6)));
    whole = "";
  }
  return found;
}

export const checks: Check[] = [
  {
    name: "the kubelet rotates and compresses a container's log, and every line is there once",
    item: "log rotation",
    async run(context) {
      const { cluster, until } = context;
      const { folder, files, write } = await writer(context);
      assertEquals(await files(), ["0.log"]);
      await write(0);
      const rotated = await until("the log was rotated", async () => {
        return (await files()).find((name) => /^0\.log\.\d{8}-\d{6}$/.test(name));
      }, 45);
      await write(1);
      await until("the first part was compressed", async () => (await files()).includes(`${rotated}.gz`), 45);
      await write(2);
      await until("the last line is in the newest file", async () => {
        return (await cluster.run("sh", "-c", "cat $0/0.log", folder)).includes(
          String(2 * burst + rest).padStart(6, "0"),
        );
      }, 45);
      const all = await cluster.run(
        "sh",
        "-c",
        "cd $0 && for f in $(ls *.gz); do zcat $f; done; cat $(ls 0.log.* | grep -v gz) 0.log",
        folder,
      );
      assertEquals(written(all), numbers(0, 2 * burst + rest));
    },
  },
  {
    name: "kubectl logs -f goes on over a rotation, and loses nothing",
    item: "kubectl logs -f over a rotation",
    async run(context) {
      const { until } = context;
      const { files, write } = await writer(context);
      await using session = new KubectlSession(context, ["logs", "-f", "writes"]);
      await write(0);
      await session.shows(String(burst).padStart(6, "0"));
      await until("the log was rotated", async () => (await files()).length > 1, 45);
      await write(1);
      await session.shows(String(2 * burst).padStart(6, "0"));
      const lines = session.out.trim().split("\n").map((line) => Number(line.split(" ")[0]));
      assertEquals(lines, numbers(0, 2 * burst));
    },
  },
  {
    name: "the log folder of a deleted pod goes",
    item: "log folders are removed",
    async run(context) {
      const { cluster, kubectl, until } = context;
      const { folder } = await writer(context);
      const above = folder.slice(0, -"/main".length);
      assertEquals((await cluster.tryRun("test", "-d", above)).code, 0);
      await kubectl("delete", "pod", "writes");
      // The kubelet does it once a minute.
      await until("the folder is gone", async () => (await cluster.tryRun("test", "-e", above)).code !== 0, 90);
    },
  },
];
