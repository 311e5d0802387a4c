/** CoreDNS and metrics-server, as far as their programs are there. */
import { imageReference, type Served } from "./images.ts";
import { addresses } from "./options.ts";

type Fields = Record<string, unknown>;
const namespace = "kube-system";

export function addonManifests({ coredns, metricsServer }: Served): Fields[] {
  return [...coredns ? dns() : [], ...metricsServer ? metrics() : []];
}

function account(name: string, rules: Fields[]): Fields[] {
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: `system:${name}` }, rules },
    binding(name, `system:${name}`),
  ];
}

function binding(name: string, role: string): Fields {
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: `${name}:${role.replaceAll(":", "-")}` },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
    subjects: [{ kind: "ServiceAccount", name, namespace }],
  };
}

function deployment(name: string, spec: Fields): Fields {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          serviceAccountName: name,
          priorityClassName: "system-cluster-critical",
          tolerations: [{ operator: "Exists" }],
          terminationGracePeriodSeconds: 1,
          ...spec,
        },
      },
    },
  };
}

const corefile = `.:53 {
  errors
  health
  ready
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    pods insecure
    ttl 5
  }
  cache 5
}
`;

function dns(): Fields[] {
  const watch = ["list", "watch"];
  return [
    ...account("coredns", [
      { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces"], verbs: watch },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: watch },
    ]),
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "coredns", namespace }, data: { Corefile: corefile } },
    deployment("coredns", {
      dnsPolicy: "Default",
      containers: [{
        name: "coredns",
        image: imageReference("coredns"),
        args: ["-conf", "/etc/coredns/Corefile"],
        volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
        readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] },
          readOnlyRootFilesystem: true,
        },
      }],
      volumes: [{ name: "config", configMap: { name: "coredns" } }],
    }),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kube-dns", namespace },
      spec: {
        selector: { app: "coredns" },
        clusterIP: addresses.dns,
        ports: [{ name: "dns", port: 53, protocol: "UDP" }, { name: "dns-tcp", port: 53, protocol: "TCP" }],
      },
    },
  ];
}

function metrics(): Fields[] {
  const name = "metrics-server";
  return [
    ...account(name, [
      { apiGroups: [""], resources: ["nodes/metrics"], verbs: ["get"] },
      { apiGroups: [""], resources: ["pods", "nodes", "namespaces", "configmaps"], verbs: ["get", "list", "watch"] },
    ]),
    binding(name, "system:auth-delegator"),
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "metrics-server-auth-reader", namespace },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "Role",
        name: "extension-apiserver-authentication-reader",
      },
      subjects: [{ kind: "ServiceAccount", name, namespace }],
    },
    deployment(name, {
      containers: [{
        name,
        image: imageReference(name),
        args: [
          "--secure-port=10250",
          "--cert-dir=/tmp",
          "--kubelet-preferred-address-types=InternalIP",
          "--kubelet-insecure-tls",
          "--metric-resolution=10s",
          "--kubelet-request-timeout=5s",
        ],
        readinessProbe: { httpGet: { path: "/readyz", port: 10250, scheme: "HTTPS" }, periodSeconds: 1 },
        volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
      }],
      volumes: [{ name: "tmp", emptyDir: {} }],
    }),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace },
      spec: { selector: { app: name }, ports: [{ port: 443, targetPort: 10250 }] },
    },
    {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: "v1beta1.metrics.k8s.io" },
      spec: {
        group: "metrics.k8s.io",
        version: "v1beta1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { name, namespace },
      },
    },
  ];
}
