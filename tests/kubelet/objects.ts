/** Small makers of Kubernetes objects, with what every check needs and nothing that hides what is checked. */

type Fields = Record<string, unknown>;

/** What a busybox pod does that shall just be there, and end at once when told to. */
export const sleepForever = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"];

/** A pod that is not started again and has a second to end, unless `spec` says otherwise. */
export function pod(name: string, spec: Fields, metadata: Fields = {}): Fields {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...metadata },
    spec: { restartPolicy: "Never", terminationGracePeriodSeconds: 1, ...spec },
  };
}

/** A container that only is there, unless `fields` has a command. */
export function container(name: string, image: string, fields: Fields = {}): Fields {
  return { name, image, command: sleepForever, ...fields };
}

/** A container that runs a shell script. */
export function script(name: string, image: string, text: string, fields: Fields = {}): Fields {
  return { name, image, command: ["sh", "-c", text], ...fields };
}

/** The template of a Deployment and the like: pods with the label `app: APP`. */
export function template(app: string, spec: Fields, metadata: Fields = {}): Fields {
  return { metadata: { labels: { app }, ...metadata }, spec: { terminationGracePeriodSeconds: 1, ...spec } };
}

export function deployment(name: string, replicas: number, spec: Fields, fields: Fields = {}): Fields {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: template(name, spec), ...fields },
  };
}

export function job(name: string, spec: Fields, fields: Fields = {}): Fields {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name },
    spec: { template: template(name, { restartPolicy: "Never", ...spec }), ...fields },
  };
}

/** A Service for the pods with the label `app: APP`. */
export function service(name: string, app: string, port: number, targetPort: number, fields: Fields = {}): Fields {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector: { app }, ports: [{ port, targetPort }], ...fields },
  };
}

export function configMap(name: string, data: Record<string, string>, fields: Fields = {}): Fields {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data, ...fields };
}

export function secret(name: string, stringData: Record<string, string>, fields: Fields = {}): Fields {
  return { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData, ...fields };
}
