/**
 * Names of sandboxes, containers and namespaces: containerd's rule, because they become path components and arguments.
 */
export function isIdentifier(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,75}$/.test(text)
}
