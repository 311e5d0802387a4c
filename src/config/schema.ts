import { choice, flag, integer, type Nodes, records, section, type Shape, table, text, texts } from "./fields.ts";
import * as rules from "./rules.ts";
import type { Config } from "./types.ts";

const MIB = 1024 * 1024;

const shape: Shape<Config> = {
  root: text({
    doc: "What lasts over a reboot: image layers and the store.",
    default: rules.ALLOWED_ROOTS.root,
    reload: "restart",
    allowed: "a path below /var/lib/skiff",
    check: rules.pathBelow(rules.ALLOWED_ROOTS.root),
  }),
  state: text({
    doc: "What dies with power: mounts, bundles, pinned namespaces, monitor files.",
    default: rules.ALLOWED_ROOTS.state,
    reload: "restart",
    allowed: "a path below /run/skiff",
    check: rules.pathBelow(rules.ALLOWED_ROOTS.state),
  }),
  socket: text({
    doc: "The unix socket of CRI v1 and of the admin service. Mode 0660.",
    default: `${rules.ALLOWED_ROOTS.socket}/skiff.sock`,
    reload: "restart",
    allowed: "a path below /run/skiff, at most 107 bytes",
    check: rules.socketPath,
  }),
  log: section<Config["log"]>("The daemon's own log, on standard error.", {
    level: choice({
      doc: "Lines below this level are not written.",
      default: "info",
      reload: "reload",
      values: ["debug", "info", "warn", "error"],
    }),
    format: choice({
      doc: "`text` for people and the journal, `json` for collectors.",
      default: "text",
      reload: "restart",
      values: ["text", "json"],
    }),
  }),
  maxMessageBytes: integer({
    doc: "Largest gRPC message, in both directions.",
    default: 80 * MIB,
    reload: "restart",
    min: 4 * MIB,
    max: 1024 * MIB,
    unit: "bytes",
  }),
  runtimes: table({
    doc:
      "OCI runtimes by the name that a pod's runtime handler gives. Entries of several files are put together by name; " +
      "a name with the value null takes a default entry away.",
    reload: "restart",
    nameAllowed: "lower-case letters, digits, `-`, `.` (as in a RuntimeClass handler)",
    namePattern: /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/,
    nameExample: "NAME",
    entry: {
      path: text({
        doc: "The program. Empty: looked for by its name in /usr/local/sbin, /usr/local/bin, /usr/sbin and /usr/bin.",
        default: "",
        reload: "restart",
        allowed: "an absolute path, or empty",
        check: rules.absolutePathOrEmpty,
      }),
      root: text({
        doc: "The runtime's own state folder (its `--root`). Empty: `runtimes/NAME` below `state`.",
        default: "",
        reload: "restart",
        allowed: "an absolute path, or empty",
        check: rules.absolutePathOrEmpty,
      }),
    },
    default: { runc: { path: "", root: "" }, crun: { path: "", root: "" } },
  }),
  defaultRuntime: text({
    doc: "The runtime for pods whose request names no handler.",
    default: "runc",
    reload: "restart",
    allowed: "a name in `runtimes`",
  }),
  conmon: text({
    doc: "The monitor that holds a container's terminal or pipes, writes its log and its exit code. " +
      "Empty: looked for in /usr/local/bin, /usr/bin, /usr/libexec/podman and /usr/libexec/crio.",
    default: "",
    reload: "restart",
    allowed: "an absolute path, or empty",
    check: rules.absolutePathOrEmpty,
  }),
  monitorCgroup: text({
    doc:
      "cgroup of the monitors: outside the pods (a memory bomb must not take them) and outside the daemon's service (a restart must not). " +
      "With `cgroupDriver: systemd` the default is `skiff-monitors.slice`.",
    default: "/skiff-monitors",
    reload: "restart",
    allowed: "an absolute cgroup path; with systemd the name of a slice",
    check: rules.cgroupPath,
  }),
  defaultCgroupParent: text({
    doc:
      "cgroup of pods whose request names no parent. With `cgroupDriver: systemd` the default is `skiff-pods.slice`.",
    default: "/skiff-pods",
    reload: "restart",
    allowed: "an absolute cgroup path; with systemd the name of a slice",
    check: rules.cgroupPath,
  }),
  cgroupDriver: choice({
    doc:
      "Who makes the cgroups: `cgroupfs`, skiff and the runtimes by themselves, or `systemd`, as slices and scopes, where it is " +
      "process 1. The kubelet asks for it and follows. Pods that run keep what they have: drain the node before a change.",
    default: "cgroupfs",
    reload: "restart",
    values: ["cgroupfs", "systemd"],
  }),
  cni: section<Config["cni"]>("Pod networks.", {
    configDir: text({
      doc: "Folder of CNI configurations; the first by name is used, and a change is seen within a second.",
      default: "/etc/cni/net.d",
      reload: "restart",
      allowed: "an absolute path",
      check: rules.absolutePath,
    }),
    pluginDirs: texts({
      doc: "Folders of CNI plugins, searched in this order.",
      default: ["/opt/cni/bin", "/usr/lib/cni"],
      reload: "restart",
      allowed: "absolute paths",
      check: rules.absolutePath,
    }),
    timeoutSeconds: integer({
      doc: "How long one run of a plugin may take.",
      default: 60,
      reload: "restart",
      min: 1,
      max: 3_600,
      unit: "seconds",
    }),
  }),
  images: section<Config["images"]>("Images and registries.", {
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
      doc:
        "Rules for registries as podman and CRI-O have them (containers-registries.conf(5)): mirrors, short names, " +
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
    stallTimeoutSeconds: integer({
      doc: "A download that brings no byte for this long is given up.",
      default: 60,
      reload: "restart",
      min: 1,
      max: 3_600,
      unit: "seconds",
    }),
  }),
  streaming: section<Config["streaming"]>("The server that exec, attach and port-forward sessions go through.", {
    address: text({
      doc: "Where it listens, and what it tells clients to connect to. Only the kubelet, on this node, is meant to.",
      default: "127.0.0.1",
      reload: "restart",
      allowed: "an IP address of this node; not 0.0.0.0 or ::, which nobody can connect to",
      check: rules.ownAddress,
    }),
    port: integer({
      doc: "0: one that is free.",
      default: 0,
      reload: "restart",
      min: 0,
      max: 65_535,
    }),
    tlsCertFile: text({
      doc: "Certificate chain in PEM, for TLS. Empty: plain HTTP.",
      default: "",
      reload: "restart",
      allowed: "an absolute path, or empty",
      check: rules.absolutePathOrEmpty,
    }),
    tlsKeyFile: text({
      doc: "The certificate's private key in PEM.",
      default: "",
      reload: "restart",
      allowed: "an absolute path, or empty; set exactly when `tlsCertFile` is",
      check: rules.absolutePathOrEmpty,
    }),
    idleTimeoutSeconds: integer({
      doc: "A session in which no byte has gone either way for so long is ended.",
      default: 4 * 3_600,
      reload: "restart",
      min: 1,
      max: 7 * 24 * 3_600,
      unit: "seconds",
    }),
  }),
  pidsLimit: integer({
    doc: "Highest number of processes in a container whose request sets none. 0: no limit.",
    default: 0,
    reload: "restart",
    min: 0,
    max: 4_194_304,
  }),
  defaultEnv: texts({
    doc: "Added to the environment of every container, unless its image or the request sets the same name.",
    default: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    reload: "restart",
    allowed: "NAME=value entries",
    check: rules.environmentEntry,
  }),
  keepJobs: integer({
    doc: "How many ended jobs `skiff jobs` can still show.",
    default: 1_000,
    reload: "restart",
    min: 0,
    max: 100_000,
  }),
  metricsListen: text({
    doc: "Where Prometheus metrics are served over HTTP. Empty: nowhere.",
    default: "",
    reload: "restart",
    allowed: "host:port, or empty",
    check: rules.listenAddress,
  }),
};

/** The single source of the configuration: defaults, allowed values, documentation, and whether a change needs a restart. */
export const schema: Nodes = shape;
