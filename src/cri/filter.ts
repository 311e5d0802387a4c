/** Every label that is asked for is there with that value (AND, as the CRI's selectors are). */
export function hasLabels(labels: Record<string, string>, selector: Record<string, string>): boolean {
  for (const [key, value] of Object.entries(selector)) if (labels[key] !== value) return false;
  return true;
}
