/** The storage folder of docker-registry, in the layout of its file system driver: images are put straight into it. */
import type { Blob, Image } from "../images/image.ts";

export class RegistryStorage {
  #folder: string;

  /** `root` is the driver's rootdirectory; a registry may run on it, or not. */
  constructor(readonly root: string) {
    this.#folder = `${root}/docker/registry/v2`;
  }

  /** Puts an image (or, with `index`, an index that names several) under a repository and a tag. */
  async add(
    repository: string,
    tag: string,
    images: Image | Image[],
    index?: Blob & { mediaType: string },
  ): Promise<void> {
    const list = Array.isArray(images) ? images : [images];
    const repositoryDir = `${this.#folder}/repositories/${repository}`;
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
    return `${this.#folder}/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`;
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
