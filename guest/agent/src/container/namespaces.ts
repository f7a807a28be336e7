/**
 * IPC and UTS namespace of the pod, which all its containers share (the virtual machine is the pod). The first
 * container makes them; a bind mount keeps them after it has gone.
 */
import { mount } from 'syscalls'
import { mountFlags } from '../boot/flags.ts'
import { detach, exists, makeDirectories, removeTree, save } from '../system/files.ts'

const directory = '/run/sandbox-ns'
/** OCI name, which is also the name in /proc/PID/ns. */
const types = ['ipc', 'uts'] as const

const pathOf = (type: string) => `${directory}/${type}`

/** Paths for the next container to join, by OCI name; none before the first container. */
export function sharedNamespaces(): Record<string, string> {
  return Object.fromEntries(types.map((type) => [type, pathOf(type)]).filter(([, path]) => exists(path!)))
}

/** Whether the next container joins all that there are. */
export const hasNamespaces = (): boolean => types.every((type) => exists(pathOf(type)))

/** Keeps the namespaces of a container's init, if there are none yet. */
export function keepNamespaces(pid: number): void {
  makeDirectories(directory, 0o700)
  for (const type of types.filter((type) => !exists(pathOf(type)))) {
    save(pathOf(type), '')
    try {
      mount(`/proc/${pid}/ns/${type}`, pathOf(type), '', mountFlags.bind, '')
    } catch {
      // The init has ended already: the next container will make them.
      removeTree(pathOf(type))
    }
  }
}

export function releaseNamespaces(): void {
  for (const type of types) detach(pathOf(type))
}
