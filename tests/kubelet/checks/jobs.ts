/** Job and CronJob. */
import { assert, assertEquals } from "@std/assert";
import { type Check, type CheckContext, job, script, template } from "../check.ts";

function cronJob(name: string, schedule: string, image: string) {
  const spec = { restartPolicy: "Never", containers: [script("main", image, "echo ran")] };
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name },
    spec: { schedule, jobTemplate: { spec: { template: template(name, spec) } } },
  };
}

async function failure({ get, until }: CheckContext, name: string): Promise<{ reason: string; message: string }> {
  return await until(`Job ${name} has failed`, async () => {
    const { conditions = [] } = (await get("job", name)).status;
    return conditions.find(({ type }: { type: string }) => type === "Failed");
  });
}

export const checks: Check[] = [
  {
    name: "an indexed Job runs to all its completions",
    item: "Job",
    async run({ cluster, apply, kubectl, get }) {
      const containers = [script("main", cluster.image("busybox"), "echo index $JOB_COMPLETION_INDEX")];
      await apply(job("many", { containers }, { completions: 3, parallelism: 2, completionMode: "Indexed" }));
      await kubectl("wait", "--for=condition=complete", "job/many", "--timeout=60s");
      assertEquals((await get("job", "many")).status.succeeded, 3);
      const text = await kubectl("logs", "-l", "job-name=many", "--tail=-1");
      assertEquals(text.trim().split("\n").sort(), ["index 0", "index 1", "index 2"]);
    },
  },
  {
    name: "a Job gives up after its backoffLimit",
    item: "Job",
    async run(context) {
      const { cluster, apply, kubectl } = context;
      await apply(
        job("fails", { containers: [script("main", cluster.image("busybox"), "exit 3")] }, { backoffLimit: 1 }),
      );
      assertEquals((await failure(context, "fails")).reason, "BackoffLimitExceeded");
      const codes = await kubectl(
        "get",
        "pods",
        "-l",
        "job-name=fails",
        "-o",
        "jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}",
      );
      assertEquals(codes, "3 3");
    },
  },
  {
    name: "a Job's policy decides by the container's exit code",
    item: "Job",
    async run(context) {
      const { cluster, apply } = context;
      const onExitCodes = { containerName: "main", operator: "In", values: [42] };
      await apply(job("decides", { containers: [script("main", cluster.image("busybox"), "exit 42")] }, {
        backoffLimit: 6,
        podFailurePolicy: { rules: [{ action: "FailJob", onExitCodes }] },
      }));
      const { reason, message } = await failure(context, "decides");
      assertEquals(reason, "PodFailurePolicy");
      assert(message.includes("exit code 42"), message);
    },
  },
  {
    name: "a CronJob's Job is run by hand",
    item: "CronJob",
    async run({ cluster, apply, kubectl }) {
      await apply(cronJob("yearly", "0 0 1 1 *", cluster.image("busybox")));
      await kubectl("create", "job", "now", "--from=cronjob/yearly");
      await kubectl("wait", "--for=condition=complete", "job/now", "--timeout=60s");
      assertEquals(await kubectl("logs", "job/now"), "ran\n");
    },
  },
  {
    name: "a CronJob runs on its schedule",
    item: "CronJob",
    full: true,
    async run({ cluster, apply, kubectl, until }) {
      await apply(cronJob("often", "* * * * *", cluster.image("busybox")));
      const name = await until("a Job of the schedule is complete", async () => {
        const text = await kubectl("get", "jobs", "-o", "jsonpath={.items[?(@.status.succeeded==1)].metadata.name}");
        return text.split(" ")[0] || undefined;
      }, 90);
      assertEquals(await kubectl("logs", `job/${name}`), "ran\n");
    },
  },
];
