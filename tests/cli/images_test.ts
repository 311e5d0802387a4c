/** Images come in, go out and are judged by the compiled binary's commands; what goes out is what containerd takes. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run, tryRun } from "../support/command.ts";
import { Instance } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Peer } from "../support/peer.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { exists, tools } from "../support/tools.ts";
import { blobOf, type Image } from "../images/image.ts";
import { OCI_MANIFEST } from "../../src/images/media_types.ts";
import { buildImage, type TestImage, writeLayout } from "../unit/images/support.ts";
import { directory, file, tar } from "../unit/images/tar_builder.ts";
import { authority, EMAIL, OIDC_ISSUER, signing, signWith } from "../unit/images/trust/certificates.ts";
import { logBundle, payload, signatureImage, sigstoreKey } from "../unit/images/trust/signing.ts";

const options = { ignore: Deno.uid() !== 0 || !onSkiff, sanitizeOps: false, sanitizeResources: false };
const image = buildImage([
  tar([directory("./"), file("shared", new Uint8Array(300_000).fill(7))]),
  tar([file("own", new TextEncoder().encode("own"))]),
]);
/** As the node's registry takes them. */
const stored = ({ manifest, config, layers }: TestImage): Image => ({
  layers: layers.map(({ bytes }) => ({ ...blobOf(bytes), mediaType: "", diffId: "" })),
  config: blobOf(config.bytes),
  manifest: { ...blobOf(manifest.bytes), mediaType: OCI_MANIFEST },
});
const NAME = "docker.io/library/app:1";

Deno.test(
  "skiff image export and import go through files, pipes and containerd, and IDs stay (root)",
  options,
  async () => {
    await using node = await TestNode.start();
    await using daemon = new Instance(node);
    await daemon.start();
    const env = { SKIFF_SOCKET: daemon.socket };
    const skiff = (...args: string[]) => run(tools.skiff, args, { env });
    const layout = `${node.dir}/layout`;
    await writeLayout(layout, [{ image, name: NAME }]);
    assertStringIncludes(await skiff("image", "import", layout), image.config.digest.slice(7, 20));
    const archive = `${node.dir}/app.tar`;
    await skiff("image", "export", "app:1", "-o", archive);
    const script =
      `${tools.skiff} image export -o - app:1 | tee ${node.dir}/piped.tar | ${tools.skiff} image import --name copy:2 -`;
    await run("bash", ["-o", "pipefail", "-c", script], { env });
    assertEquals(await Deno.readFile(`${node.dir}/piped.tar`), await Deno.readFile(archive));
    const list = JSON.parse(await skiff("image", "ls", "--json")) as { id: string; repoTags: string[] }[];
    assertEquals(list.map(({ id, repoTags }) => [id, ...repoTags]), [[
      image.config.digest,
      NAME,
      "docker.io/library/copy:2",
    ]]);
    assertStringIncludes(await skiff("check", "--deep"), "1 images, 2 layers");
    assertStringIncludes(await skiff("image", "prune", "--dry-run"), "1 images would be removed");
    assertMatch(await skiff("status"), /images: \d+kB, 2 inodes/);
    assertEquals([...Deno.readDirSync("/run/skiff")].filter(({ name }) => name.startsWith("export-")), []);
    assertEquals([...Deno.readDirSync("/var/lib/skiff")].filter(({ name }) => name.startsWith("import-")), []);

    if (!exists(tools.containerd)) return;
    await using peer = new Peer(node);
    await peer.start();
    const ctr = (...args: string[]) =>
      node.holder.run(`${tools.containerdBin}/ctr`, "-a", peer.socket, "-n", "k8s.io", ...args);
    await ctr("image", "import", "--local", archive);
    assertStringIncludes(await ctr("image", "ls"), NAME);
  },
);

Deno.test("skiff image verify and pulls of the compiled binary follow the policy (root)", options, async () => {
  await using node = await TestNode.start();
  const policy = `${node.dir}/policy.json`;
  const key = await sigstoreKey();
  await Deno.writeTextFile(`${node.dir}/cosign.pub`, key.pem);
  const rule = {
    type: "sigstoreSigned",
    keyPath: `${node.dir}/cosign.pub`,
    signedIdentity: { type: "matchRepository" },
  };
  const gpg = { type: "signedBy", keyType: "GPGKeys", keyData: btoa("no key ring") };
  await Deno.writeTextFile(
    policy,
    JSON.stringify(
      {
        default: [{ type: "reject" }],
        transports: { docker: { "127.0.0.1:5000/app": [rule], "127.0.0.1:5000/gpg": [gpg] } },
      },
      null,
      1,
    ),
  );
  await using daemon = new Instance(node, { config: { images: { policy } } });
  await daemon.start();
  const skiff = (...args: string[]) => tryRun(tools.skiff, args, { env: { SKIFF_SOCKET: daemon.socket } });
  await node.registry.add("app", "1", stored(image));
  await node.registry.add("gpg", "1", stored(image));
  const refused = await skiff("image", "pull", "127.0.0.1:5000/app:1");
  assertEquals(refused.code, 1);
  assertStringIncludes(
    refused.stderr,
    "SignatureValidationFailed: 127.0.0.1:5000/app:1 is refused by the rule sigstoreSigned",
  );
  assertStringIncludes((await skiff("image", "pull", "127.0.0.1:5000/other:1")).stderr, "rule reject");
  assertStringIncludes(
    (await skiff("image", "pull", "127.0.0.1:5000/gpg:1")).stderr,
    "the key in the policy is not an OpenPGP key ring",
  );
  const bytes = payload(image.manifest.digest, "127.0.0.1:5000/app", "cosign container image signature");
  const attached = signatureImage([{ payload: bytes, signature: await key.sign(bytes) }]);
  await node.registry.add("app", `${image.manifest.digest.replace(":", "-")}.sig`, stored(attached));
  const explained = await skiff("image", "verify", "--explain", "127.0.0.1:5000/app:1");
  assertEquals([explained.code, explained.stderr], [0, ""]);
  assertStringIncludes(explained.stdout, "scope:  127.0.0.1:5000/app\n");
  assertStringIncludes(explained.stdout, `signed by ${node.dir}/cosign.pub`);
  assertEquals((await skiff("image", "pull", "127.0.0.1:5000/app:1")).code, 0);
});

Deno.test(
  "a policy with fulcio: certificates for an identity count, with the log's promise, offline (root)",
  options,
  async () => {
    await using node = await TestNode.start();
    const policy = `${node.dir}/policy.json`;
    const [root, log] = [authority(), await sigstoreKey()];
    const middle = authority({ name: "intermediate", issuer: root, below: 0 });
    await Deno.writeTextFile(`${node.dir}/fulcio.pem`, root.pem);
    await Deno.writeTextFile(`${node.dir}/rekor.pub`, log.pem);
    const rule = {
      type: "sigstoreSigned",
      fulcio: { caPath: `${node.dir}/fulcio.pem`, oidcIssuer: OIDC_ISSUER, subjectEmail: EMAIL },
      rekorPublicKeyPath: `${node.dir}/rekor.pub`,
      signedIdentity: { type: "matchRepository" },
    };
    await Deno.writeTextFile(policy, JSON.stringify({ default: [rule] }));
    await using daemon = new Instance(node, { config: { images: { policy } } });
    await daemon.start();
    const skiff = (...args: string[]) => tryRun(tools.skiff, args, { env: { SKIFF_SOCKET: daemon.socket } });
    const bytes = payload(image.manifest.digest, "127.0.0.1:5000/app", "cosign container image signature");
    const attach = async (email: string) => {
      const leaf = signing(middle, { email });
      const signature = signWith(leaf, bytes);
      const bundle = await logBundle(log, { payload: bytes, signature, pem: leaf.pem });
      const signed = { payload: bytes, signature, bundle, certificate: leaf.pem, chain: middle.pem + root.pem };
      await node.registry.add(
        "app",
        `${image.manifest.digest.replace(":", "-")}.sig`,
        stored(signatureImage([signed])),
      );
    };
    await node.registry.add("app", "1", stored(image));
    await attach("eve@example.com");
    const refused = await skiff("image", "pull", "127.0.0.1:5000/app:1");
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, `SignatureValidationFailed: 127.0.0.1:5000/app:1 is refused`);
    assertStringIncludes(refused.stderr, `is for "eve@example.com"; the rule's subjectEmail is "${EMAIL}"`);
    await attach(EMAIL);
    const explained = await skiff("image", "verify", "--explain", "127.0.0.1:5000/app:1");
    assertEquals([explained.code, explained.stderr], [0, ""]);
    assertStringIncludes(explained.stdout, `signed by ${EMAIL} (${OIDC_ISSUER})`);
    assertEquals((await skiff("image", "pull", "127.0.0.1:5000/app:1")).code, 0);
    // By what was kept, without the registry.
    await node.registry.down();
    assertEquals((await skiff("image", "verify", "127.0.0.1:5000/app:1")).code, 0);
  },
);
