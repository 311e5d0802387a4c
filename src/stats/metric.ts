/** A metric as ListMetricDescriptors tells of it. `Labels` are the names of those that it has beside {@link BASE_LABELS}. */
export interface Descriptor<Labels extends readonly string[] = readonly string[]> {
  name: string;
  help: string;
  type: "counter" | "gauge";
  labels: Labels;
}

/** One value, with that of each label that its descriptor has. */
export interface Sample {
  descriptor: Descriptor;
  labelValues: string[];
  value: bigint;
}

/** Labels of every metric, as cadvisor names them, so that dashboards made for its metrics go on working. */
export const BASE_LABELS = ["container", "id", "image", "name", "namespace", "pod"] as const;

/** Whom a metric is about. Of a pod itself `container` and `image` are empty. */
export interface Subject {
  container: string;
  /** Path of the cgroup. */
  id: string;
  image: string;
  /** ID of the container or the pod: makes the labels of two attempts differ. */
  name: string;
  namespace: string;
  pod: string;
}

/** Collects the samples of one subject. */
export class Samples {
  readonly list: Sample[] = [];
  readonly #base: string[];

  constructor(subject: Subject) {
    this.#base = BASE_LABELS.map((label) => subject[label]);
  }

  /** A value that the node cannot tell is left out. The contract has whole numbers only. */
  add<const Labels extends readonly string[]>(
    descriptor: Descriptor<Labels>,
    value: bigint | undefined,
    labels: { readonly [Index in keyof Labels]: string },
  ): void {
    if (value === undefined) return;
    this.list.push({ descriptor, labelValues: [...this.#base, ...labels as readonly string[]], value });
  }
}
