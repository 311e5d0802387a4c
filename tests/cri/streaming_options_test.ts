/** What the configuration says of the streaming server holds: address, port, TLS, idle timeout. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { run } from "../support/command.ts";
import { Instance, type InstanceOptions } from "../support/instance.ts";
import { TestNode } from "../support/node.ts";
import { Workbench } from "../support/pods.ts";
import { onSkiff } from "../support/runtime_under_test.ts";
import { rootTest } from "../support/root_test.ts";

function test(name: string, body: (node: TestNode) => Promise<void>): void {
  rootTest(name, async () => {
    await using node = await TestNode.start();
    await body(node);
  }, !onSkiff);
}

/** A daemon with these settings and the URL of an exec session in a container that sleeps. */
async function execUrl(
  node: TestNode,
  streaming: NonNullable<InstanceOptions["config"]>["streaming"],
  use: (url: string) => Promise<void>,
): Promise<void> {
  await using daemon = new Instance(node, { config: { streaming } });
  await daemon.start();
  await using bench = new Workbench(daemon);
  await bench.pull();
  const { id } = await bench.run();
  const { url } = await bench.client.exec({ containerId: id, cmd: ["sleep", "1000"], stdout: true });
  await use(url);
}

/** Runs a piece of Deno in the node's network and returns what it prints. */
function inside(node: TestNode, code: string, ...args: string[]): Promise<string> {
  return node.holder.run(Deno.execPath(), "eval", "--quiet", code, ...args);
}

async function certificate(dir: string): Promise<{ tlsCertFile: string; tlsKeyFile: string }> {
  const [tlsKeyFile, tlsCertFile] = [`${dir}/key.pem`, `${dir}/cert.pem`];
  await run("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
    ...["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-keyout", tlsKeyFile, "-out", tlsCertFile],
  ]);
  return { tlsCertFile, tlsKeyFile };
}

test("streaming.tlsCertFile: sessions go over TLS with that certificate, on the port that is set", async (node) => {
  const tls = await certificate(node.dir);
  await execUrl(node, { port: 10_999, ...tls }, async (url) => {
    assertMatch(url, /^https:\/\/127\.0\.0\.1:10999\/exec\//);
    const answer = await inside(
      node,
      `const client = Deno.createHttpClient({ caCerts: [Deno.readTextFileSync(Deno.args[1])] });
       const response = await fetch(Deno.args[0], { client });
       console.log(response.status, await response.text());`,
      url,
      tls.tlsCertFile,
    );
    assertMatch(answer, /^400 .*must ask for an upgrade/);
  });
});

test("streaming.tlsKeyFile: a key that is not there ends the start, with its path", async (node) => {
  const { tlsCertFile } = await certificate(node.dir);
  const daemon = new Instance(node, { config: { streaming: { tlsCertFile, tlsKeyFile: `${node.dir}/none.pem` } } });
  const error = await assertRejects(() => daemon.start(), Error);
  assert(error.message.includes(`${node.dir}/none.pem`), error.message);
});

test("streaming.idleTimeoutSeconds: a session without a byte is ended, and its command with it", async (node) => {
  await execUrl(node, { idleTimeoutSeconds: 1 }, async (url) => {
    const seconds = await inside(
      node,
      `const socket = new WebSocket(Deno.args[0].replace("http", "ws"), ["v5.channel.k8s.io"]);
       let began;
       socket.onopen = () => began = Date.now();
       socket.onclose = () => { console.log((Date.now() - began) / 1000); Deno.exit(0); };
       setTimeout(() => { console.log("never"); Deno.exit(0); }, 20_000);`,
      url,
    );
    assert(Number(seconds) >= 0.9 && Number(seconds) < 8, `ended after ${seconds} s`);
  });
});

test("streaming.address: IPv6 loopback is served, and stands in the URL", async (node) => {
  await execUrl(node, { address: "::1" }, async (url) => {
    assertMatch(url, /^http:\/\/\[::1\]:\d+\/exec\//);
    const answer = await inside(node, `const response = await fetch(Deno.args[0]); console.log(response.status);`, url);
    assertEquals(answer.trim(), "400");
  });
});
