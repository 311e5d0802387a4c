import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type JobRequest, Jobs, type Undoer } from "../../../src/pods/jobs.ts";
import type { Store } from "../../../src/pods/store.ts";
import { Code, RpcError } from "../../../src/rpc/status.ts";
import { silent, storeIn } from "./support.ts";

const request = (fields: Partial<JobRequest> = {}): JobRequest => ({
  kind: "run-pod-sandbox",
  key: "pod:a",
  hash: "1",
  subject: "default/a",
  deadline: 10_000,
  ...fields,
});

function setUp(undoers: Record<string, Undoer> = {}): { jobs: Jobs; store: Store; done: () => Promise<void> } {
  const { store, path } = storeIn();
  return {
    jobs: new Jobs({ store, undoers, logger: silent, keep: 3 }),
    store,
    done: async () => {
      await store.close();
      await Deno.remove(path, { recursive: true });
    },
  };
}

Deno.test("Jobs.run() joins a running job with the same key and hash", async () => {
  const { jobs, done } = setUp();
  let runs = 0;
  const body = async () => {
    runs++;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return "id";
  };
  assertEquals(await Promise.all([jobs.run(request(), body), jobs.run(request(), body)]), ["id", "id"]);
  assertEquals(runs, 1);
  await done();
});

Deno.test("Jobs.run() cancels and undoes a running job when another wish comes for the same key", async () => {
  const events: string[] = [];
  const { jobs, store, done } = setUp({ thing: ({ name }) => void events.push(`undo ${name}`) });
  const first = jobs.run(request(), async (job) => {
    job.undo("thing", { name: "one" });
    await new Promise((resolve) => job.signal.addEventListener("abort", resolve));
    throw job.signal.reason;
  });
  const failure = assertRejects(() => first, RpcError, "newer request");
  const second = await jobs.run(request({ hash: "2" }), () => {
    events.push("second runs");
    return Promise.resolve("two");
  });
  await failure;
  assertEquals(second, "two");
  assertEquals(events, ["undo one", "second runs"]);
  assertEquals(store.journal(), []);
  await done();
});

Deno.test("Jobs.run() undoes in reverse and keeps the code, the step and the cause in the error", async () => {
  const undone: string[] = [];
  const { jobs, store, done } = setUp({ thing: ({ name }) => void undone.push(name) });
  const error = await assertRejects(() =>
    jobs.run(request(), async (job) => {
      await job.step("folder", () => job.undo("thing", { name: "a" }));
      await job.step("network", () => {
        job.undo("thing", { name: "b" });
        throw new RpcError(Code.UNAVAILABLE, "no CNI configuration", { cause: new Error("empty folder") });
      });
    }), RpcError) as RpcError;
  assertEquals(error.code, Code.UNAVAILABLE);
  for (const part of ["default/a", "step network", "no CNI configuration", "empty folder"]) {
    assertStringIncludes(error.message, part);
  }
  assertEquals(undone, ["b", "a"]);
  assertEquals(store.journal(), []);
  assertEquals(jobs.list()[0].state, "failed");
  await done();
});

Deno.test("Jobs.run() says what it was waiting for when its deadline passes", async () => {
  const { jobs, done } = setUp();
  const error = await assertRejects(() =>
    jobs.run(request({ deadline: 20 }), (job) =>
      job.step("network", async () => {
        job.waitingFor("CNI plugin bridge");
        await new Promise((_, reject) => job.signal.addEventListener("abort", () => reject(job.signal.reason)));
      })), RpcError) as RpcError;
  assertEquals(error.code, Code.DEADLINE_EXCEEDED);
  assertStringIncludes(error.message, "waiting for CNI plugin bridge");
  await done();
});

Deno.test("Job.commit() clears the journal in the same transaction, and rolls both back when the row fails", async () => {
  const undone: string[] = [];
  const { jobs, store, done } = setUp({ thing: ({ name }) => void undone.push(name) });
  await jobs.run(request(), (job) => {
    job.undo("thing", { name: "kept" });
    job.commit(() => store.setMeta("x", "1"));
    return Promise.resolve();
  });
  assertEquals([undone, store.journal(), store.meta("x")], [[], [], "1"]);
  await assertRejects(() =>
    jobs.run(request(), (job) => {
      job.undo("thing", { name: "dropped" });
      job.commit(() => {
        store.setMeta("x", "2");
        throw new Error("disk full");
      });
      return Promise.resolve();
    })
  );
  assertEquals([undone, store.journal(), store.meta("x")], [["dropped"], [], "1"]);
  await done();
});

Deno.test("Jobs.mend() takes down, newest first, what a dead process had made, and keeps what fails", async () => {
  const undone: string[] = [];
  const { jobs, store, done } = setUp({
    thing: ({ name }) => {
      if (name === "stuck") throw new Error("busy");
      undone.push(name);
    },
  });
  for (const name of ["one", "stuck", "two"]) store.addJournal("dead-job", "thing", { name });
  assertEquals(await jobs.mend(), 2);
  assertEquals(undone, ["two", "one"]);
  assertEquals(store.journal().map((row) => row.args), [{ name: "stuck" }]);
  await done();
});

Deno.test("Jobs.list() keeps the last ones with the time of each step", async () => {
  const { jobs, done } = setUp();
  for (let index = 0; index < 5; index++) {
    await jobs.run(
      request({ key: `k${index}`, subject: `s${index}` }),
      (job) => job.step("only", () => Promise.resolve()),
    );
  }
  const list = jobs.list();
  assertEquals(list.map((job) => job.subject), ["s4", "s3", "s2"]);
  assertEquals(list[0].steps[0].name, "only");
  assertEquals(typeof list[0].steps[0].duration, "number");
  await done();
});

Deno.test("Jobs.run() keeps the word in front by which the kubelet knows an error", async () => {
  const { jobs, done } = setUp();
  const error = await assertRejects(() =>
    jobs.run(request(), (job) =>
      job.step("volumes", () => {
        throw new RpcError(Code.NOT_FOUND, "ImageVolumeMountFailed: image x is not on this node");
      }))
  ) as RpcError;
  assertEquals(error.code, Code.NOT_FOUND);
  assertEquals(
    error.message.replace(/\d+\.\d s/, "T"),
    "ImageVolumeMountFailed: run-pod-sandbox default/a: failed at step volumes after T: image x is not on this node",
  );
  const refused = await assertRejects(() =>
    jobs.run(request(), (job) =>
      job.step("rootfs", () => {
        throw new RpcError(Code.UNKNOWN, "SignatureValidationFailed: x is refused");
      }))
  ) as RpcError;
  assertEquals(refused.message.startsWith("SignatureValidationFailed: run-pod-sandbox default/a"), true);
  await done();
});

Deno.test("Jobs.stop() gives up what runs and undoes it, and waits no longer than it is told to", async () => {
  const events: string[] = [];
  const { jobs, store, done } = setUp({ thing: ({ name }) => void events.push(`undo ${name}`) });
  const first = jobs.run(request(), async (job) => {
    job.undo("thing", { name: "one" });
    await new Promise((_, reject) => job.signal.addEventListener("abort", () => reject(job.signal.reason)));
  });
  const refused = assertRejects(() => first, RpcError, "the daemon stops") as Promise<RpcError>;
  await jobs.stop(10_000);
  assertEquals([(await refused).code, events, store.journal()], [Code.UNAVAILABLE, ["undo one"], []]);

  let release = () => {};
  const deaf = jobs.run(request(), () => new Promise<void>((resolve) => release = resolve));
  const began = Date.now();
  await jobs.stop(50);
  assertEquals(Date.now() - began < 5_000, true);
  release();
  await deaf;
  await done();
});
