import { assert, assertEquals } from "@std/assert";
import { run } from "./erofs_support.ts";
import { buildImage } from "./support.ts";
import { file, tar } from "./tar_builder.ts";

const hasOpenssl = await Deno.stat("/usr/bin/openssl").then(() => true, () => false);
const ignore = Deno.uid() !== 0 || !hasOpenssl;

/** An authority, and a certificate of it for [::1]. */
async function makeCertificates(folder: string): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const at = (name: string) => `${folder}/${name}`;
  await Deno.writeTextFile(at("names"), "subjectAltName=IP:::1\n");
  await run(
    "openssl",
    "req",
    "-x509",
    ...key,
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
    "-subj",
    "/CN=authority",
    "-days",
    "2",
  );
  await run("openssl", "req", ...key, "-keyout", at("server.key"), "-out", at("server.csr"), "-subj", "/CN=server");
  const signed = [
    "-CA",
    at("ca.pem"),
    "-CAkey",
    at("ca.key"),
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    at("names"),
  ];
  await run("openssl", "x509", "-req", "-in", at("server.csr"), "-out", at("server.pem"), ...signed);
}

async function pull(certificates: string, env: Record<string, string>): Promise<string> {
  const script = new URL("./pull_over_tls.ts", import.meta.url).pathname;
  const { HOME = "/", PATH = "", DENO_DIR } = Deno.env.toObject();
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", script, certificates],
    clearEnv: true,
    env: { HOME, PATH, ...(DENO_DIR ? { DENO_DIR } : {}), ...env },
  }).output();
  return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
}

Deno.test(
  "ImageService.pull() over TLS trusts the node's certificates, and says what is missing when they are not enough (root)",
  { ignore },
  async () => {
    const folder = await Deno.makeTempDir();
    await makeCertificates(folder);
    assertEquals(
      await pull(folder, { SSL_CERT_FILE: `${folder}/ca.pem` }),
      buildImage([tar([file("a")])]).config.digest,
    );
    const message = await pull(folder, {});
    assert(message.includes("certificate is not trusted") && message.includes("this node's certificates"), message);
    await Deno.remove(folder, { recursive: true });
  },
);
