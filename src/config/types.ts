/** The effective configuration. `schema.ts` is its single source: defaults, allowed values, documentation, and whether a change needs a restart. Keys in YAML are the same. */
export interface Config {
  /** What lasts over a reboot: images, the store. Below /var/lib/skiff (the binary may write nowhere else). */
  root: string;
  /** What dies with power: sockets, mounts, bundles. Below /run/skiff. */
  state: string;
  /** The CRI socket. Below /run/skiff. */
  socket: string;
  log: { level: "debug" | "info" | "warn" | "error"; format: "text" | "json" };
  /** Largest gRPC message in bytes, both ways. */
  maxMessageBytes: number;
  runtimes: Record<string, { path: string; root: string }>;
  defaultRuntime: string;
  conmon: string;
  /** cgroup for the monitors, outside pods and outside the daemon's service. */
  monitorCgroup: string;
  /** Where pods go whose request names no cgroup parent. */
  defaultCgroupParent: string;
  cgroupDriver: "cgroupfs" | "systemd";
  cni: { configDir: string; pluginDirs: string[]; timeoutSeconds: number };
  images: {
    /** Per registry host: mirrors are tried first, in order, then the host itself. */
    registries: Record<string, { mirrors: { url: string }[]; plainHttp: boolean }>;
    /** containers-registries.conf(5); need not exist. Its drop-ins are in the folder of the same name with `.d`. */
    registriesConf: string;
    /** Folders with a folder per registry host for certificates. */
    certsDirs: string[];
    /** containers-auth.json(5), the first that knows the registry counts. */
    authFiles: string[];
    /** Where a credential provider leaves a file per namespace and image; empty: nowhere. */
    namespacedAuthDir: string;
    /** Where docker-credential-* programs are. */
    credentialHelperDirs: string[];
    /** Empty: from the daemon's environment. */
    proxy: { http: string; https: string; noProxy: string[] };
    pinned: string[];
    /** containers-policy.json(5); empty: the usual one if it is there. */
    policy: string;
    /** Folder of `<namespace>.json`, each a policy for the pods of one namespace; empty: none. */
    policyDir: string;
    /** Folder whose tars and layouts are imported at start; empty: none. */
    importDir: string;
    /** containers-registries.d(5): where signatures are. */
    registriesDir: string;
    /** Roots of other skiffs, whose images are used and never changed. */
    additionalStores: string[];
    /** os/arch[/variant]; empty: the node's own. */
    platform: string;
    limits: { layers: number; entriesPerLayer: number; inflatedBytesPerLayer: number; manifestBytes: number };
    /** The registry of the node's own images; an empty address: none. */
    serve: { address: string; tlsCertFile: string; tlsKeyFile: string; keepBlobs: boolean };
    /** Bounds of the layers that pulls which did not end have left. */
    unfinished: { hours: number; bytes: number };
    /** Seconds after a pull for which the processes of the next one are kept ready; 0: not at all. */
    keepReadySeconds: number;
    /** Seconds without a byte after which a download is given up. */
    stallTimeoutSeconds: number;
  };
  /** The server of exec, attach and port-forward sessions. */
  streaming: { address: string; port: number; tlsCertFile: string; tlsKeyFile: string; idleTimeoutSeconds: number };
  /** Highest number of processes in a container whose request sets none; 0: no limit. */
  pidsLimit: number;
  /** Added to every container's environment unless the image or the request sets them. */
  defaultEnv: string[];
  /** Ended jobs that are kept for `skiff jobs`. */
  keepJobs: number;
  /** host:port for Prometheus metrics; empty: none. */
  metricsListen: string;
}
