/** The command lines of the control plane and of kube-proxy. */
import { addresses, type ClusterOptions, featureGates, nodeOf, programs } from "./options.ts";

export interface ProgramCommand {
  name: string;
  program: string;
  args: string[];
}

const flags = (options: Record<string, string | number | boolean>) =>
  Object.entries(options).map(([name, value]) => `--${name}=${value}`);
const gates = (options: ClusterOptions) =>
  Object.entries(featureGates(options)).map(([name, on]) => `${name}=${on}`).join(",");

/** `dir` has the certificates and the kubeconfigs; `data` is where etcd writes. */
export function etcd(data: string): ProgramCommand {
  return {
    name: "etcd",
    program: "/usr/bin/etcd",
    args: flags({
      "data-dir": data,
      "listen-client-urls": "http://127.0.0.1:2379",
      "advertise-client-urls": "http://127.0.0.1:2379",
      "listen-peer-urls": "http://127.0.0.1:2380",
      "initial-advertise-peer-urls": "http://127.0.0.1:2380",
      "initial-cluster": "default=http://127.0.0.1:2380",
      "log-level": "warn",
      "logger": "zap",
    }),
  };
}

export function apiserver(dir: string, options: ClusterOptions): ProgramCommand {
  return {
    name: "kube-apiserver",
    program: `${programs}/kube-apiserver`,
    args: flags({
      "etcd-servers": "http://127.0.0.1:2379",
      "advertise-address": addresses.node,
      "secure-port": 6443,
      "service-cluster-ip-range": addresses.services,
      "allow-privileged": true,
      "authorization-mode": "Node,RBAC",
      "enable-admission-plugins": "NodeRestriction",
      "client-ca-file": `${dir}/ca.crt`,
      "tls-cert-file": `${dir}/apiserver.crt`,
      "tls-private-key-file": `${dir}/apiserver.key`,
      "kubelet-client-certificate": `${dir}/admin.crt`,
      "kubelet-client-key": `${dir}/admin.key`,
      "kubelet-certificate-authority": `${dir}/ca.crt`,
      "kubelet-preferred-address-types": "InternalIP",
      "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
      "service-account-key-file": `${dir}/service-accounts.key`,
      "service-account-signing-key-file": `${dir}/service-accounts.key`,
      "requestheader-client-ca-file": `${dir}/ca.crt`,
      "requestheader-allowed-names": "front-proxy-client",
      "requestheader-extra-headers-prefix": "X-Remote-Extra-",
      "requestheader-group-headers": "X-Remote-Group",
      "requestheader-username-headers": "X-Remote-User",
      "proxy-client-cert-file": `${dir}/front-proxy.crt`,
      "proxy-client-key-file": `${dir}/front-proxy.key`,
      "enable-aggregator-routing": true,
      "profiling": false,
      "feature-gates": gates(options),
    }),
  };
}

export function controllerManager(dir: string, options: ClusterOptions): ProgramCommand {
  return {
    name: "kube-controller-manager",
    program: `${programs}/kube-controller-manager`,
    args: flags({
      kubeconfig: `${dir}/controller-manager.kubeconfig`,
      "authentication-kubeconfig": `${dir}/controller-manager.kubeconfig`,
      "authorization-kubeconfig": `${dir}/controller-manager.kubeconfig`,
      "leader-elect": false,
      "use-service-account-credentials": true,
      "root-ca-file": `${dir}/ca.crt`,
      "cluster-signing-cert-file": `${dir}/ca.crt`,
      "cluster-signing-key-file": `${dir}/ca.key`,
      "service-account-private-key-file": `${dir}/service-accounts.key`,
      "service-cluster-ip-range": addresses.services,
      "feature-gates": gates(options),
    }),
  };
}

export function scheduler(dir: string, options: ClusterOptions): ProgramCommand {
  return {
    name: "kube-scheduler",
    program: `${programs}/kube-scheduler`,
    args: flags({
      kubeconfig: `${dir}/scheduler.kubeconfig`,
      "authentication-kubeconfig": `${dir}/scheduler.kubeconfig`,
      "authorization-kubeconfig": `${dir}/scheduler.kubeconfig`,
      "leader-elect": false,
      "feature-gates": gates(options),
    }),
  };
}

/** Writes its configuration, too. Limits of connection tracking are the whole machine's, so they stay as they are. */
export function proxy(dir: string, options: ClusterOptions): ProgramCommand {
  Deno.writeTextFileSync(
    `${dir}/proxy.json`,
    JSON.stringify({
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      clientConnection: { kubeconfig: `${dir}/proxy.kubeconfig` },
      hostnameOverride: nodeOf(options.name),
      mode: "nftables",
      clusterCIDR: addresses.pods,
      detectLocalMode: "ClusterCIDR",
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
      nftables: { minSyncPeriod: "100ms", syncPeriod: "30s" },
    }),
  );
  return { name: "kube-proxy", program: `${programs}/kube-proxy`, args: [`--config=${dir}/proxy.json`] };
}
