/**
 * Namespaces that all containers of the pod share: IPC and UTS always (the virtual machine is the pod), PID when
 * asked for. The first container makes them; a bind mount keeps them after it has gone.
 */
import { mount } from 'syscalls'
import { mountFlags } from './boot/boot.ts'
import { detach, exists, makeDirectories, removeTree, save } from './files.ts'

const directory = '/run/sandbox-ns'

/** By OCI name: the file in /proc/PID/ns. */
const files = { ipc: 'ipc', uts: 'uts', pid: 'pid' } as const

type Shared = keyof typeof files

export interface SharedNamespaces {
  /** Paths for the next container to join, by OCI name. */
  toJoin(options: { pid: boolean }): Readonly<Record<string, string>>
  /** Keeps the namespaces of a container's init for those that come later. */
  keep(pid: number): void
  release(): void
}

export function createSharedNamespaces(): SharedNamespaces {
  const path = (type: Shared) => `${directory}/${type}`
  return {
    toJoin({ pid }) {
      const types = (Object.keys(files) as Shared[]).filter((type) => type !== 'pid' || pid)
      return Object.fromEntries(types.filter((type) => exists(path(type))).map((type) => [type, path(type)]))
    },
    keep(pid) {
      makeDirectories(directory, 0o700)
      for (const type of Object.keys(files) as Shared[]) {
        if (exists(path(type))) continue
        save(path(type), '')
        try {
          mount(`/proc/${pid}/ns/${files[type]}`, path(type), '', mountFlags.bind, '')
        } catch {
          // The init has ended already: the next container will make them.
          removeTree(path(type))
        }
      }
    },
    release() {
      for (const type of Object.keys(files) as Shared[]) detach(path(type))
    },
  }
}
