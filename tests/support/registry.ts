/**
 * Debian's docker-registry on the node's own loopback. Images are put straight into its storage folder, so that a 300 MB
 * image costs a few links and not an upload.
 */
import { smallImages } from "../images/cache.ts";
import type { Holder } from "./holder.ts";
import { tools } from "./tools.ts";
import { waitUntil } from "./command.ts";
import { RegistryStorage } from "./registry_storage.ts";

export class Registry {
  /** As the runtimes reach it, inside the node's network. */
  readonly url: string;
  /** As image names call it; the runtimes are configured with {@link url} as its mirror. */
  readonly host = "registry.test";
  readonly storage: RegistryStorage;
  #child?: Deno.ChildProcess;

  private constructor(private readonly holder: Holder, private readonly dir: string, port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.storage = new RegistryStorage(`${dir}/storage`);
  }

  static async start(holder: Holder, dir: string, port = 5000): Promise<Registry> {
    const registry = new Registry(holder, dir, port);
    await Deno.mkdir(registry.storage.root, { recursive: true });
    for (const { repository, tag, image } of smallImages()) await registry.add(repository, tag, image);
    await Deno.writeTextFile(
      `${dir}/config.yml`,
      `version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${dir}/storage}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}
http: {addr: "127.0.0.1:${port}"}
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

  /** Connections are accepted and nothing is answered, until {@link thaw}. */
  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  /** See {@link RegistryStorage.add}. */
  add(...image: Parameters<RegistryStorage["add"]>): Promise<void> {
    return this.storage.add(...image);
  }

  /** See {@link RegistryStorage.blobFile}. */
  blobFile(digest: string): string {
    return this.storage.blobFile(digest);
  }
}
