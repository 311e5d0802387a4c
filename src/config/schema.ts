import { choice, integer, type Nodes, section, type Shape, table, text, texts } from "./fields.ts";
import { images } from "./images_schema.ts";
import * as rules from "./rules.ts";
import { tlsFields } from "./tls_fields.ts";
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
  images,
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
    ...tlsFields,
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
