/**
 * Debian's docker-registry on the node's own loopback. Images are put straight into its storage folder, in the layout of
 * its file system driver, so that a 300 MB image costs a few links and not an upload.
 */
import type { Blob, Image } from "../images/image.ts";
import { smallImages } from "../images/cache.ts";
import type { Holder } from "./holder.ts";
import { tools } from "./tools.ts";
import { waitUntil } from "./command.ts";

export class Registry {
  /** As the runtimes reach it, inside the node's network. */
  readonly url = "http://127.0.0.1:5000";
  /** As image names call it; the runtimes are configured with {@link url} as its mirror. */
  readonly host = "registry.test";
  #storage: string;
  #child?: Deno.ChildProcess;

  private constructor(private readonly holder: Holder, private readonly dir: string) {
    this.#storage = `${dir}/storage/docker/registry/v2`;
  }

  static async start(holder: Holder, dir: string): Promise<Registry> {
    const registry = new Registry(holder, dir);
    await Deno.mkdir(`${registry.#storage}/repositories`, { recursive: true });
    for (const { repository, tag, image } of smallImages()) await registry.add(repository, tag, image);
    await Deno.writeTextFile(
      `${dir}/config.yml`,
      `version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${dir}/storage}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}
http: {addr: "127.0.0.1:5000"}
`,
    );
    await registry.up();
    return registry;
  }

  async up(): Promise<void> {
    this.#child = this.holder.spawn(tools.registry, ["serve", `${this.dir}/config.yml`], {
      cgroup: "registry",
      log: `${this.dir}/registry.log`,
    });
    await waitUntil(
      "the registry answers",
      async () => (await this.holder.tryRun(tools.busybox, "wget", "-q", "-O", "-", `${this.url}/v2/`)).code === 0,
    );
  }

  /** The network's other end falls silent: connections are refused until {@link up}. */
  async down(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = undefined;
  }

  /** Puts an image (or, with `index`, an index that names several) under a repository and a tag. */
  async add(
    repository: string,
    tag: string,
    images: Image | Image[],
    index?: Blob & { mediaType: string },
  ): Promise<void> {
    const list = Array.isArray(images) ? images : [images];
    const repositoryDir = `${this.#storage}/repositories/${repository}`;
    const linkTo = async (path: string, digest: string) => {
      await Deno.mkdir(path, { recursive: true });
      await Deno.writeTextFile(`${path}/link`, digest);
    };
    for (const { layers, config, manifest } of list) {
      for (const blob of [...layers, config, manifest]) await this.#putBlob(blob);
      for (const blob of [...layers, config]) {
        await linkTo(`${repositoryDir}/_layers/${asPath(blob.digest)}`, blob.digest);
      }
      await linkTo(`${repositoryDir}/_manifests/revisions/${asPath(manifest.digest)}`, manifest.digest);
    }
    if (index) {
      await this.#putBlob(index);
      await linkTo(`${repositoryDir}/_manifests/revisions/${asPath(index.digest)}`, index.digest);
    }
    const top = index?.digest ?? list[0].manifest.digest;
    await linkTo(`${repositoryDir}/_manifests/tags/${tag}/current`, top);
    await linkTo(`${repositoryDir}/_manifests/tags/${tag}/index/${asPath(top)}`, top);
  }

  /** The file that holds a blob: overwrite it and the registry serves content that is not what its digest says. */
  blobFile(digest: string): string {
    return `${this.#storage}/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`;
  }

  async #putBlob(blob: Blob): Promise<void> {
    const file = this.blobFile(blob.digest);
    await Deno.mkdir(file.slice(0, -"/data".length), { recursive: true });
    if (blob.content instanceof Uint8Array) await Deno.writeFile(file, blob.content);
    else {
      const target = blob.content.file;
      await Deno.symlink(target, file).catch((error) => {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      });
    }
  }
}

const asPath = (digest: string) => digest.replace(":", "/");
