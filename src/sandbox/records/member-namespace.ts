/**
 * The namespace of the containers of a user who is not root (`kata-ts service`). It is the mark of their owner: root makes it, and no
 * command of the user leaves it.
 */
const pattern = /^uid-\d+$/

export const memberNamespace = (uid: number): string => `uid-${uid}`

/** Whether a namespace is that of a user who is not root. */
export const isMemberNamespace = (namespace: string): boolean => pattern.test(namespace)

/**
 * The name of a sandbox where names of all namespaces stand side by side. Clients such as containerd make ids that are unique on
 * the host; users choose names, and may choose that of another's container.
 */
export function hostWideName(namespace: string, id: string): string {
  // No id has a colon.
  return pattern.test(namespace) ? `${namespace}:${id}` : id
}
