import { flag, integer, records, section, table, text, texts } from "./fields.ts";
import * as rules from "./rules.ts";
import { tlsFields } from "./tls_fields.ts";
import type { Config } from "./types.ts";

const MIB = 1024 * 1024;

export const images = section<Config["images"]>("Images and registries.", {
  registries: table({
    doc: "Settings per registry host, as it stands in image names (`docker.io`, `registry.example.com:5000`).",
    reload: "restart",
    nameAllowed: "host or host:port",
    namePattern: rules.REGISTRY_HOST,
    nameExample: "HOST",
    entry: {
      mirrors: records({
        doc: "Tried first, in this order; then the host itself. Image paths stay as they are.",
        default: [],
        reload: "restart",
        key: "url",
        allowed: "a list of objects: url: http(s)://host[:port][/path]",
        check: rules.mirrorUrl,
      }),
      plainHttp: flag({ doc: "Speak HTTP to the host itself.", default: false, reload: "restart" }),
    },
    default: {},
  }),
  registriesConf: text({
    doc: "Rules for registries as podman and CRI-O have them (containers-registries.conf(5)): mirrors, short names, " +
      "blocked and insecure registries. Need not exist; `*.conf` in the folder of the same name with `.d` is read after it. " +
      "Read again when it changes. For a host in `images.registries` that entry counts instead.",
    default: "/etc/containers/registries.conf",
    reload: "restart",
    allowed: "an absolute path",
    check: rules.absolutePath,
  }),
  certsDirs: texts({
    doc:
      "Folders with a folder HOST or HOST:PORT per registry, as in image names: `*.crt` there are authorities to trust " +
      "besides the node's own, `NAME.cert` and `NAME.key` the client's certificate. The first folder that has the host counts.",
    default: ["/etc/containers/certs.d", "/etc/docker/certs.d"],
    reload: "restart",
    allowed: "absolute paths",
    check: rules.absolutePath,
  }),
  authFiles: texts({
    doc:
      "Credentials for pulls that bring none, as `podman login` and `docker login` write them. The first file that " +
      "knows the registry counts; in it, the longest part of the image's name.",
    default: ["/run/containers/0/auth.json", "/etc/containers/auth.json"],
    reload: "restart",
    allowed: "absolute paths",
    check: rules.absolutePath,
  }),
  namespacedAuthDir: text({
    doc:
      "Folder in which a credential provider leaves `NAMESPACE-SHA256.json` for one pull by that namespace; the sum is of the " +
      "image's whole name without tag and digest. Such a file is used once and removed. Empty: none.",
    default: "",
    reload: "restart",
    allowed: "an absolute path, or empty",
    check: rules.absolutePathOrEmpty,
  }),
  credentialHelperDirs: texts({
    doc: "Folders of the docker-credential-NAME programs that auth files name (`credHelpers`, `credsStore`).",
    default: ["/usr/local/bin", "/usr/bin"],
    reload: "restart",
    allowed: "absolute paths",
    check: rules.absolutePath,
  }),
  proxy: section<Config["images"]["proxy"]>(
    "Proxies for pulls, instead of the daemon's environment variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY.",
    {
      http: text({
        doc: "For registries that are spoken to without TLS. Empty: as the environment says.",
        default: "",
        reload: "restart",
        allowed: "http(s)://host[:port], or empty",
        check: rules.proxyUrl,
      }),
      https: text({
        doc: "For registries that are spoken to over TLS. Empty: as the environment says.",
        default: "",
        reload: "restart",
        allowed: "http(s)://host[:port], or empty",
        check: rules.proxyUrl,
      }),
      noProxy: texts({
        doc:
          "Hosts, domains and networks that are reached directly; the node itself always is. Empty: as the environment says.",
        default: [],
        reload: "restart",
        allowed: "host names, addresses, networks",
        check: rules.noProxyEntry,
      }),
    },
  ),
  pinned: texts({
    doc: "Images that are reported as pinned, so that the kubelet's garbage collection leaves them alone.",
    default: [],
    reload: "restart",
    allowed: "image names",
    check: rules.imageName,
  }),
  policy: text({
    doc:
      "The signature policy (containers-policy.json(5)): which images may be pulled and run. A file that is wrong refuses " +
      "every image. Empty: /etc/containers/policy.json if it is there, else every image is accepted. See docs/trust.md.",
    default: "",
    reload: "restart",
    allowed: "an absolute path, or empty",
    check: rules.absolutePathOrEmpty,
  }),
  policyDir: text({
    doc:
      "Folder with policies for single namespaces: for the pods of one with a file `NAMESPACE.json` there, that file holds " +
      "instead of `images.policy`. Empty: none.",
    default: "/etc/skiff/policies",
    reload: "restart",
    allowed: "an absolute path, or empty",
    check: rules.absolutePathOrEmpty,
  }),
  importDir: text({
    doc:
      "Folder of images for a node without a registry: `*.tar` (OCI layouts, `docker save`) and folders with OCI layouts " +
      "are imported when the daemon starts, while it answers. Need not exist. Empty: none.",
    default: "",
    reload: "restart",
    allowed: "an absolute path, or empty",
    check: rules.absolutePathOrEmpty,
  }),
  additionalStores: texts({
    doc:
      "Image stores that are only read, each the `root` folder of a skiff (on a network or read-only file system, for " +
      "example): their images are listed, used and mounted from there, and a pull leaves out the layers that they have. They " +
      "are read when the daemon starts, and again when they have changed. Whoever can write to one decides what runs on this node. See docs/images.md.",
    default: [],
    reload: "restart",
    allowed: "absolute paths",
    check: rules.absolutePath,
  }),
  registriesDir: text({
    doc: "Folder of YAML files that say where signatures are (containers-registries.d(5)). Need not exist.",
    default: "/etc/containers/registries.d",
    reload: "restart",
    allowed: "an absolute path, or empty",
    check: rules.absolutePathOrEmpty,
  }),
  platform: text({
    doc: "Which entry of a multi-platform image is taken. Empty: the node's own.",
    default: "",
    reload: "restart",
    allowed: "os/arch[/variant], or empty",
    check: rules.platform,
  }),
  limits: section<Config["images"]["limits"]>("What an image may cost before it is refused.", {
    layers: integer({ doc: "Layers of an image.", default: 500, reload: "restart", min: 1, max: 500 }),
    entriesPerLayer: integer({
      doc: "Files, folders and links in one layer.",
      default: 2_000_000,
      reload: "restart",
      min: 1,
      max: 100_000_000,
    }),
    inflatedBytesPerLayer: integer({
      doc: "Size of one layer once decompressed.",
      default: 64 * 1024 * MIB,
      reload: "restart",
      min: MIB,
      max: 1024 * 1024 * MIB,
      unit: "bytes",
    }),
    manifestBytes: integer({
      doc: "Size of a manifest, an index or an image config.",
      default: 4 * MIB,
      reload: "restart",
      min: 1024,
      max: 64 * MIB,
      unit: "bytes",
    }),
  }),
  serve: section<Config["images"]["serve"]>(
    "A registry, for reading alone, of the images on this node: other nodes pull from it. Whoever reaches the address gets " +
      "every image without a password, so it belongs on loopback, or in a network of nodes.",
    {
      address: text({
        doc: "Where it listens, `127.0.0.1:5000` for example. Empty: nowhere.",
        default: "",
        reload: "restart",
        allowed: "host:port, or empty",
        check: rules.listenAddress,
      }),
      keepBlobs: flag({
        doc:
          "Keep manifests and compressed layers as they are pulled, beside the unpacked ones, and serve them as they came: " +
          "digests and signatures hold at the second node, too. Takes the space of the compressed layers on top. Images that " +
          "are here already are served so once they were pulled again.",
        default: false,
        reload: "restart",
      }),
      ...tlsFields,
    },
  ),
  unfinished: section<Config["images"]["unfinished"]>(
    "Whole layers of pulls that did not end: the next pull of such an image goes on from them. What is over these bounds goes; " +
      "so does all of it when an image is removed, as the kubelet does when it needs space, and at `skiff image prune`.",
    {
      hours: integer({ doc: "0: nothing is kept.", default: 24, reload: "restart", min: 0, max: 8_760, unit: "hours" }),
      bytes: integer({
        doc: "Of all such layers, the latest ones first.",
        default: 16 * 1024 * MIB,
        reload: "restart",
        min: 0,
        max: 1024 * 1024 * MIB,
        unit: "bytes",
      }),
    },
  ),
  keepReadySeconds: integer({
    doc:
      "For so long after a pull from a registry, the processes for the next one are kept ready: it begins without waiting for " +
      "them to start. They hold some 32 MB meanwhile. 0: none.",
    default: 60,
    reload: "restart",
    min: 0,
    max: 86_400,
    unit: "seconds",
  }),
  stallTimeoutSeconds: integer({
    doc: "A download that brings no byte for this long is given up.",
    default: 60,
    reload: "restart",
    min: 1,
    max: 3_600,
    unit: "seconds",
  }),
});
