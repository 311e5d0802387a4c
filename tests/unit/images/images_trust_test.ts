import { assert, assertEquals, assertRejects } from "@std/assert";
import { OCI_INDEX } from "../../../src/images/media_types.ts";
import { Code, messageOf, type RpcError } from "../../../src/rpc/status.ts";
import "../real_kernel.ts";
import { cutBody, hasDockerRegistry, push, startDockerRegistry, startTestRegistry } from "./registry_support.ts";
import { buildImage, buildIndex, openStore, type TestImage, type TestStore } from "./support.ts";
import { directory, file, tar } from "./tar_builder.ts";
import { hasGpg, payload, signatureImage, Signer, sigstoreKey } from "./trust/signing.ts";

const root = Deno.uid() !== 0;
const COSIGN = "cosign container image signature";
const image = buildImage([tar([directory("./"), file("hello", new TextEncoder().encode("hello"))])]);

/** A store with a policy, and folders for signatures and for the policies of namespaces. */
async function withStore(
  host: string,
  policy: (folder: string) => unknown,
  test: (store: TestStore, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/registries.d`);
  await Deno.mkdir(`${folder}/policies`);
  await Deno.writeTextFile(`${folder}/policy.json`, JSON.stringify(policy(folder), null, 1));
  await Deno.writeTextFile(
    `${folder}/registries.d/default.yaml`,
    `default-docker:\n  lookaside: file://${folder}/sigs\n`,
  );
  {
    await using store = await openStore({
      policy: `${folder}/policy.json`,
      policyDir: `${folder}/policies`,
      registriesDir: `${folder}/registries.d`,
      registries: { [host]: { mirrors: [], plainHttp: true } },
      stallTimeoutSeconds: 1,
    });
    await test(store, folder);
  }
  await Deno.remove(folder, { recursive: true });
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => promise) as RpcError;
  const text = messageOf(error);
  assertEquals(error.code, Code.UNKNOWN, text);
  assert(text.startsWith("SignatureValidationFailed: "), text);
  return text;
}

const accept = [{ type: "insecureAcceptAnything" }];
const sigstoreRule = (keyPath: string) => [
  { type: "sigstoreSigned", keyPath, signedIdentity: { type: "matchRepository" } },
];

async function putLookaside(folder: string, digest: string, bytes: Uint8Array, number = 1): Promise<void> {
  const place = `${folder}/sigs/team/app@${digest.replace(":", "=")}`;
  await Deno.mkdir(place, { recursive: true });
  await Deno.writeFile(`${place}/signature-${number}`, bytes);
}

/** Answers for cosign's tag, and with an index for the image's own. */
function serveAttachments(
  registry: ReturnType<typeof startTestRegistry>,
  tag: string,
  attached: TestImage,
  index?: Uint8Array,
): void {
  registry.misbehave = (_, path) => {
    const name = path.split("/").pop()!;
    if (name === "1" && index) return new Response(index as BodyInit, { headers: { "content-type": OCI_INDEX } });
    const bytes = name === tag ? attached.manifest.bytes : attached.blobs.get(name);
    return bytes && new Response(bytes as BodyInit);
  };
}

Deno.test("ImageService.pull() under a policy of signedBy, with a lookaside and a real registry (root)", {
  ignore: root || !hasGpg || !hasDockerRegistry,
}, async () => {
  const folder = await Deno.makeTempDir();
  await using registry = await startDockerRegistry(folder);
  await push(registry.host, "team/app", "1", image);
  await using signer = await Signer.create(`${folder}/gpg`);
  await Deno.writeTextFile(`${folder}/key.asc`, signer.publicKey);
  const name = `${registry.host}/team/app:1`;
  const rule = [{ type: "signedBy", keyType: "GPGKeys", keyPath: `${folder}/key.asc` }];
  const policy = { default: [{ type: "reject" }], transports: { docker: { [`${registry.host}/team`]: rule } } };
  await withStore(registry.host, () => policy, async (store, own) => {
    const unsigned = await refusal(store.service.pull(name, undefined, {}));
    assert(unsigned.includes(`${name} is refused by the rule signedBy at ${own}/policy.json:`), unsigned);
    assert(
      unsigned.includes(`scope ${registry.host}/team`) && unsigned.includes("no signature was found at file:"),
      unsigned,
    );
    assert((await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}))).includes("rule reject"));
    assertEquals(store.table.layerRows.size, 0);

    const other = await signer.sign(payload(image.manifest.digest, `${registry.host}/team/app:2`));
    await putLookaside(own, image.manifest.digest, other);
    assert(
      (await refusal(store.service.pull(name, undefined, {}))).includes("which matchRepoDigestOrExact does not accept"),
    );
    await putLookaside(own, image.manifest.digest, await signer.sign(payload(image.manifest.digest, name)), 2);
    const { id } = await store.service.pull(name, undefined, {});
    assertEquals(id, image.config.digest);
    await store.service.pull(`${registry.host}/team/app@${image.manifest.digest}`, undefined, {});
    const verdict = await store.service.verify(name, undefined, {});
    assertEquals([verdict.allowed, verdict.scope, verdict.requirements[0].signatures.length], [
      true,
      `${registry.host}/team`,
      2,
    ]);
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("ImageService.pull() under a policy of sigstoreSigned, with a real registry (root)", {
  ignore: root || !hasDockerRegistry,
}, async () => {
  const folder = await Deno.makeTempDir();
  await using registry = await startDockerRegistry(folder);
  await push(registry.host, "team/app", "1", image);
  const key = await sigstoreKey();
  await Deno.writeTextFile(`${folder}/cosign.pub`, key.pem);
  const name = `${registry.host}/team/app:1`;
  await withStore(registry.host, () => ({ default: sigstoreRule(`${folder}/cosign.pub`) }), async (store) => {
    assert(
      (await refusal(store.service.pull(name, undefined, {}))).includes(
        `no signature was found at ${registry.host}/team/app:sha256-`,
      ),
    );
    const bytes = payload(image.manifest.digest, `${registry.host}/team/app`, COSIGN);
    const attached = signatureImage([{ payload: bytes, signature: await key.sign(bytes) }]);
    await push(registry.host, "team/app", `${image.manifest.digest.replace(":", "-")}.sig`, attached);
    assertEquals((await store.service.verify(name, undefined, {})).allowed, true);
    assertEquals(store.table.imageRows.size, 0);
    assertEquals((await store.service.pull(name, undefined, {})).id, image.config.digest);
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test(
  "ImageService.pull() fetches nothing of an image that the policy refuses, and asks nobody about a rejected one (root)",
  {
    ignore: root,
  },
  async () => {
    await using registry = startTestRegistry(image);
    const key = await sigstoreKey();
    const policy = (folder: string) => ({
      default: [{ type: "reject" }],
      transports: { docker: { [`${registry.host}/app`]: sigstoreRule(`${folder}/key.pem`) } },
    });
    await withStore(registry.host, policy, async (store, folder) => {
      await Deno.writeTextFile(`${folder}/key.pem`, key.pem);
      await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}));
      assertEquals(registry.requests.filter(({ path }) => path.includes("/blobs/")), []);
      registry.requests.length = 0;
      await refusal(store.service.pull(`${registry.host}/other:1`, undefined, {}));
      assertEquals(registry.requests, []);
    });
  },
);

Deno.test("ImageService.pull() takes a signature on the index for the manifest that it leads to (root)", {
  ignore: root,
}, async () => {
  const index = buildIndex([{ manifest: image.manifest, platform: { os: "linux", architecture: "amd64" } }]);
  await using registry = startTestRegistry(image);
  const key = await sigstoreKey();
  await withStore(
    registry.host,
    (folder) => ({ default: sigstoreRule(`${folder}/key.pem`) }),
    async (store, folder) => {
      await Deno.writeTextFile(`${folder}/key.pem`, key.pem);
      for (const { digest } of [index, image.manifest]) {
        const bytes = payload(digest, `${registry.host}/app`, COSIGN);
        const attached = signatureImage([{ payload: bytes, signature: await key.sign(bytes) }]);
        serveAttachments(registry, `${digest.replace(":", "-")}.sig`, attached, index.bytes);
        const { id } = await store.service.pull(`${registry.host}/app:1`, undefined, {});
        await store.service.mountRootfs({ id: "c", image: store.service.resolve(id)!, readonly: true });
        await store.service.unmountRootfs("c");
        await store.service.remove(id, () => []);
      }
    },
  );
});

Deno.test(
  "ImageService.mountRootfs() refuses an image that a changed policy does not accept, and takes it again (root)",
  {
    ignore: root,
  },
  async () => {
    await using registry = startTestRegistry(image);
    const name = `${registry.host}/app:1`;
    const key = await sigstoreKey();
    const bytes = payload(image.manifest.digest, `${registry.host}/app`, COSIGN);
    const attached = signatureImage([{ payload: bytes, signature: await key.sign(bytes) }]);
    serveAttachments(registry, `${image.manifest.digest.replace(":", "-")}.sig`, attached);
    await withStore(registry.host, () => ({ default: accept }), async (store, folder) => {
      await Deno.writeTextFile(`${folder}/key.pem`, key.pem);
      const setPolicy = (policy: unknown) => Deno.writeTextFile(`${folder}/policy.json`, JSON.stringify(policy));
      const use = { name, namespace: "team" };
      const mount = async () => {
        const image = store.service.resolve(name)!;
        await store.service.mountRootfs({ id: "c", image, use, readonly: true });
        await store.service.unmountRootfs("c");
        await store.service.mountVolume({ id: "c.0", image, use, subPath: "" });
        await store.service.unmountRootfs("c.0");
      };
      await store.service.pull(name, undefined, {});
      await mount();
      await setPolicy({ default: sigstoreRule(`${folder}/key.pem`) });
      const text = await refusal(mount());
      assert(text.includes("no signature of it is kept on this node; pull it again"), text);
      await store.service.pull(name, undefined, {});
      await mount();
      await store.restart();
      await mount();
      await setPolicy({ default: [{ type: "reject" }] });
      assert((await refusal(mount())).includes(`rule reject at ${folder}/policy.json:1 (the policy's default)`));
      await setPolicy({ default: sigstoreRule(`${folder}/key.pem`) });
      await Deno.writeTextFile(`${folder}/key.pem`, (await sigstoreKey()).pem);
      assert((await refusal(mount())).includes("none of the rule's keys made it"));
      // The policy of a namespace comes before the node's.
      await Deno.writeTextFile(`${folder}/policies/team.json`, JSON.stringify({ default: accept }));
      await mount();
      await refusal(store.service.mountRootfs({
        id: "c",
        image: store.service.resolve(name)!,
        use: { name, namespace: "../team" },
        readonly: true,
      }));
      // Known by ID alone, any of its names will do.
      await setPolicy({ default: [{ type: "reject" }], transports: { docker: { [registry.host]: accept } } });
      const { id } = store.service.resolve(name)!;
      await store.service.mountRootfs({
        id: "c",
        image: store.service.resolve(name)!,
        use: { name: id, namespace: "" },
        readonly: true,
      });
      await store.service.unmountRootfs("c");
      await store.service.remove(id, () => []);
      assertEquals([...Deno.readDirSync(`${store.config.root}/signatures`)], []);
    });
  },
);

Deno.test("ImageService.pull() accepts nothing while the policy cannot be read, and names the line (root)", {
  ignore: root,
}, async () => {
  await using registry = startTestRegistry(image);
  const name = `${registry.host}/app:1`;
  await withStore(registry.host, () => ({ default: accept }), async (store, folder) => {
    await store.service.pull(name, undefined, {});
    await Deno.writeTextFile(`${folder}/policy.json`, '{\n"default": [{"type": "acept"}]\n}');
    const text = await refusal(store.service.pull(name, undefined, {}));
    assert(text.includes(`${folder}/policy.json:2: the requirement has the unknown type "acept"`), text);
    const known = store.service.resolve(name)!;
    await refusal(store.service.mountRootfs({ id: "c", image: known, readonly: true }));
    await Deno.remove(`${folder}/policy.json`);
    assert((await refusal(store.service.pull(name, undefined, {}))).includes(`${folder}/policy.json: open`));
    await store.restart();
    assert(store.logger.lines.some(({ level, message }) => level === "error" && message === "no image is accepted"));
  });
});

Deno.test("ImageService.pull() says which part of a policy is not supported, and accepts nothing by it (root)", {
  ignore: root,
}, async () => {
  await using registry = startTestRegistry(image);
  await withStore(
    registry.host,
    () => ({ default: [{ type: "sigstoreSigned", pki: { caRootsPath: "/x" } }] }),
    async (store) => {
      const text = await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}));
      assert(text.includes("not supported: pki"), text);
      assertEquals(registry.requests, []);
    },
  );
});

Deno.test("ImageService.pull() says when signatures cannot be had, from a lookaside and from a registry (root)", {
  ignore: root,
}, async () => {
  await using registry = startTestRegistry(image);
  const signed = { type: "signedBy", keyType: "GPGKeys", keyData: "QUJD" };
  await withStore(registry.host, () => ({ default: [signed] }), async (store, folder) => {
    await Deno.writeTextFile(
      `${folder}/registries.d/default.yaml`,
      `default-docker:\n  lookaside: http://${registry.host}/sigs\n`,
    );
    registry.misbehave = (_, path) => path.startsWith("/sigs/") ? new Response("", { status: 500 }) : undefined;
    const text = await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}));
    assert(text.includes("signature-1: the answer is 500"), text);
    registry.misbehave = (_, path) => path.startsWith("/sigs/") ? new Response(new Uint8Array(2 << 20)) : undefined;
    assert(
      (await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}))).includes("is over 1048576 bytes"),
    );
    registry.misbehave = (_, path) =>
      path.startsWith("/sigs/") ? new Response(cutBody(new Uint8Array(100), 50)) : undefined;
    await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}));
    registry.misbehave = () => undefined;
    assert(
      (await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}))).includes(
        "the key in the policy is not an OpenPGP key ring",
      ),
    );
    await Deno.writeTextFile(`${folder}/registries.d/more.yaml`, "default-docker: {}\nwhat: 1\n");
    assert(
      (await refusal(store.service.pull(`${registry.host}/app:1`, undefined, {}))).includes(
        "more.yaml:1: default-docker stands",
      ),
    );
  });
});
