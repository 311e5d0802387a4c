import { createHash } from "node:crypto";
import { messageOf } from "../../rpc/status.ts";
import type { ExportEntry, ExportEvent, ExportTask } from "./types.ts";
import { sayLine } from "../say_line.ts";

const CHUNK = 1 << 20;
const PROGRESS_INTERVAL = 200;

/** Takes the files of a layout, one after another. */
interface Sink {
  file(name: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void>;
  end(): Promise<void>;
}

/**
 * `skiff __export`: writes images of this node, an {@link ExportTask} on its standard input, as a tar to its standard output
 * or into a folder. All that it reads is the daemon's own; every layer is checked against its digest on the way.
 */
export async function main(_args: string[]): Promise<number> {
  try {
    const task = JSON.parse(await new Response(Deno.stdin.readable).text()) as ExportTask;
    const sink = await (task.folder === "" ? tarSink() : folderSink(task.folder));
    const progress = new Progress();
    for (const entry of task.entries) await sink.file(entry.name, entry.size, content(entry, progress));
    await sink.end();
    progress.report();
    return 0;
  } catch (error) {
    say({ event: "error", message: messageOf(error) });
    return 1;
  }
}

async function* content(entry: ExportEntry, progress: Progress): AsyncGenerator<Uint8Array> {
  if ("content" in entry) {
    yield Uint8Array.fromBase64(entry.content);
    return;
  }
  using file = await Deno.open(entry.file);
  await file.seek(entry.offset, Deno.SeekMode.Start);
  const hash = createHash("sha256");
  for (let left = entry.size; left > 0;) {
    const buffer = new Uint8Array(Math.min(CHUNK, left));
    const count = await file.read(buffer);
    if (count === null) throw new Error(`${entry.file} is shorter than it was when it was written`);
    left -= count;
    const part = buffer.subarray(0, count);
    hash.update(part);
    progress.add(count);
    yield part;
  }
  if (`sha256:${hash.digest("hex")}` !== entry.digest) {
    throw new Error(`${entry.file} is damaged: it is not ${entry.digest}; skiff check --deep --repair drops it`);
  }
}

/** A tar, by the library that most tools of this kind use. */
async function tarSink(): Promise<Sink> {
  const { default: tar } = await import("tar-stream");
  const pack = tar.pack();
  const copied = (async () => {
    for await (const bytes of pack) {
      for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
    }
  })();
  const epoch = new Date(0);
  return {
    file: async (name, size, content) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const entry = pack.entry(
        { name, size, mode: 0o644, mtime: epoch },
        (error: Error | null | undefined) => error ? reject(error) : resolve(),
      );
      copied.catch(reject);
      for await (const part of content) {
        if (!entry.write(part)) {
          await Promise.race([new Promise((resume) => entry.once("drain", resume)), promise]);
        }
      }
      entry.end();
      await promise;
    },
    end: async () => {
      pack.finalize();
      await copied;
    },
  };
}

/** A folder anywhere on the node, so through libc. */
async function folderSink(folder: string): Promise<Sink> {
  const { kernel, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } = await import("../../sys/mod.ts");
  kernel.mkdirs(`${folder}/blobs/sha256`, 0o755);
  const sync = async (path: string) => {
    const fd = kernel.open(path, O_RDONLY | O_DIRECTORY);
    await kernel.fsync(fd).finally(() => kernel.close(fd));
  };
  return {
    file: async (name, _size, content) => {
      const fd = kernel.open(`${folder}/${name}`, O_WRONLY | O_CREAT | O_EXCL, 0o644);
      try {
        for await (const part of content) {
          for (let done = 0; done < part.length;) done += kernel.write(fd, part.subarray(done));
        }
        await kernel.fdatasync(fd);
      } finally {
        kernel.close(fd);
      }
    },
    end: async () => {
      for (const path of [`${folder}/blobs/sha256`, `${folder}/blobs`, folder]) await sync(path);
    },
  };
}

class Progress {
  #bytes = 0;
  #reportedAt = 0;

  add(bytes: number): void {
    this.#bytes += bytes;
    if (performance.now() - this.#reportedAt > PROGRESS_INTERVAL) this.report();
  }

  report(): void {
    this.#reportedAt = performance.now();
    say({ event: "progress", bytes: this.#bytes });
  }
}

function say(event: ExportEvent): void {
  sayLine(Deno.stderr, event);
}
