/** What a pod of one container prints: the shortest way to see what a container looks like from inside. */
import { type CheckContext, pod, script } from "./check.ts";

type Fields = Record<string, unknown>;

interface Around {
  /** Name of the pod; default "looks". */
  name?: string;
  /** Fields of the container besides its script. */
  container?: Fields;
  /** Fields of the pod's spec. */
  spec?: Fields;
  metadata?: Fields;
}

/** Runs `text` in a shell to its end, which must be a good one, and returns the container's output without the last newline. */
export async function outputOf(
  { cluster, apply, podIs, logs }: CheckContext,
  text: string,
  { name = "looks", container = {}, spec = {}, metadata = {} }: Around = {},
): Promise<string> {
  const containers = [script("main", cluster.image("busybox"), text, container)];
  await apply(pod(name, { ...spec, containers }, metadata));
  await podIs(name, "Succeeded");
  return (await logs(name)).trimEnd();
}

/** Lines `name: value` or `name<tab>value`, as in /proc/self/status. */
export function fieldsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split("\n").map((line) => /^(\w+):?\s+(.*)$/.exec(line)).filter((match) => match !== null)
      .map(([, name, value]) => [name, value]),
  );
}

/** What the events of an object say, a line each: its reason and its message. */
export async function eventsOf({ kubectl }: CheckContext, name: string): Promise<string> {
  return await kubectl(
    "get",
    "events",
    "--field-selector",
    `involvedObject.name=${name}`,
    "-o",
    'jsonpath={range .items[*]}{.reason}: {.message}{"\\n"}{end}',
  );
}

/** Waits for an event of an object whose line matches, and returns the line. */
export function eventOf(context: CheckContext, name: string, pattern: RegExp, seconds?: number): Promise<string> {
  return context.until(
    `an event of ${name} matches ${pattern}`,
    async () => (await eventsOf(context, name)).split("\n").find((line) => pattern.test(line)),
    seconds,
  );
}

/** A folder on the node for one check, taken away at the end. */
export async function folderOnNode({ cluster, namespace }: CheckContext): Promise<AsyncDisposable & { path: string }> {
  const path = `${cluster.dir}/checks/${namespace}`;
  await cluster.run("mkdir", "-p", path);
  await cluster.run("chmod", "0777", path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await cluster.tryRun("rm", "-rf", "--one-file-system", path);
    },
  };
}

/** A volume of the node's folder `path`. */
export function hostPath(name: string, path: string, type?: string): Fields {
  return { name, hostPath: { path, ...(type && { type }) } };
}
