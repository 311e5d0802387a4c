import { Code, RpcError } from "../rpc/status.ts";

/** What the `bandwidth` capability takes: bits per second, bits. */
export interface Bandwidth {
  ingressRate?: number;
  ingressBurst?: number;
  egressRate?: number;
  egressBurst?: number;
}

const INGRESS = "kubernetes.io/ingress-bandwidth";
const EGRESS = "kubernetes.io/egress-bandwidth";

/** Kubernetes' own bounds, in bits per second. */
const MIN_RATE = 1e3;
const MAX_RATE = 1e15;
/** The largest that the bandwidth plugin takes: tc counts bytes in 32 bits. */
const BURST = 4294967295 * 8 - 1;

/** The limits that the pod's annotations ask for; undefined where they ask for none. */
export function bandwidthOf(annotations: Record<string, string>): Bandwidth | undefined {
  const ingressRate = rateOf(annotations, INGRESS);
  const egressRate = rateOf(annotations, EGRESS);
  if (ingressRate === undefined && egressRate === undefined) return undefined;
  return {
    ...(ingressRate === undefined ? {} : { ingressRate, ingressBurst: BURST }),
    ...(egressRate === undefined ? {} : { egressRate, egressBurst: BURST }),
  };
}

function rateOf(annotations: Record<string, string>, key: string): number | undefined {
  const text = annotations[key];
  if (text === undefined) return undefined;
  const rate = parseQuantity(text);
  if (rate === undefined || rate < MIN_RATE || rate > MAX_RATE) {
    const value = JSON.stringify(text.slice(0, 40));
    throw new RpcError(
      Code.INVALID_ARGUMENT,
      `Cannot limit the pod's bandwidth: annotation ${key} is ${value}; it must be a quantity from 1k to 1P, such as 10M`,
    );
  }
  return rate;
}

const SUFFIXES: Record<string, number> = {
  "n": 1e-9,
  "u": 1e-6,
  "m": 1e-3,
  "": 1,
  "k": 1e3,
  "M": 1e6,
  "G": 1e9,
  "T": 1e12,
  "P": 1e15,
  "E": 1e18,
  "Ki": 2 ** 10,
  "Mi": 2 ** 20,
  "Gi": 2 ** 30,
  "Ti": 2 ** 40,
  "Pi": 2 ** 50,
  "Ei": 2 ** 60,
};

/** A Kubernetes resource quantity as a whole number, rounded up; undefined where it is none. */
export function parseQuantity(text: string): number | undefined {
  if (text.length > 64) return undefined;
  const match = /^([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  if (match === null) return undefined;
  const [, sign, digits, exponent, suffix] = match;
  const value = exponent === undefined ? Number(digits) * SUFFIXES[suffix ?? ""] : Number(`${digits}e${exponent}`);
  // Binary fractions of decimal text are off in the last places: 1.1k is 1100, not 1101.
  const exact = Number.isInteger(value) ? value : Number(value.toPrecision(15));
  return sign === "-" ? -Math.floor(exact) : Math.ceil(exact);
}
