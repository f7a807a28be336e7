/**
 * Kernel parameters that a container asks for (OCI `linux.sysctl`). The machine is the pod, so parameters of the network
 * and of the kernel as a whole are the pod's and set by the agent, as Kata does; those of the IPC and UTS namespace must
 * be written from inside it, which crun does. Pure: tested on the host.
 */
import { sysctlRefused } from '../errors.ts'

/** Names in the IPC namespace (ipc_namespaces(7)) and in the UTS namespace. */
const namespaced =
  /^(kernel\.(msg(max|mnb|mni|_next_id)|sem|sem_next_id|shm(all|max|mni|_next_id|_rmid_forced)|domainname|hostname)$|fs\.mqueue\.)/

export interface SplitSysctls {
  /** For crun, inside the container's namespaces. */
  readonly container: Readonly<Record<string, string>>
  /** For the agent, in the machine's own. */
  readonly machine: Readonly<Record<string, string>>
}

/** Who sets which. Pure. */
export function splitSysctls(sysctls: Readonly<Record<string, string>> = {}): SplitSysctls {
  const entries = Object.entries(sysctls)
  const isNamespaced = ([name]: [string, string]) => namespaced.test(dotted(name))
  return {
    container: Object.fromEntries(entries.filter(isNamespaced)),
    machine: Object.fromEntries(entries.filter((entry) => !isNamespaced(entry))),
  }
}

/**
 * The file of a parameter. As in sysctl(8): the first separator decides, `net/ipv4/conf/eth0.100/forwarding` has dots in
 * its names, `net.ipv4.conf.eth0/100.forwarding` writes them as slashes.
 *
 * @throws TtrpcError INVALID_ARGUMENT for a name that leads elsewhere.
 */
export function sysctlPath(name: string): string {
  const names = dotted(name)
    .split('.')
    .map((part) => part.replaceAll('/', '.'))
  if (!names.every((part) => /^[A-Za-z0-9_:.-]+$/.test(part) && !/^\.+$/.test(part)))
    throw sysctlRefused(`"${name}" is not the name of a sysctl`)
  return `/proc/sys/${names.join('/')}`
}

/** The form with dots between the names. */
function dotted(name: string): string {
  const first = /[./]/.exec(name)?.[0]
  if (first !== '/') return name
  return name.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/'))
}
