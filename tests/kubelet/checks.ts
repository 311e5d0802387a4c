/** All checks of all files, in the order in which they run. */
import type { Check } from "./check.ts";
import { checks as basics } from "./checks/basics.ts";
import { checks as churn } from "./checks/churn.ts";

export const checks: Check[] = [
  ...basics,
  ...churn,
];
