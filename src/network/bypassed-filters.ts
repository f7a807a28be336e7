/**
 * Packet filters of a pod's network namespace. The machine's packets go from tap to interface and back before any of them, so what a network
 * plugin or a service mesh filters or redirects there (istio-cni, linkerd-cni) holds for the namespace's own processes only. Rules that a
 * container makes, such as those of an init container, are the machine's own, and hold.
 */
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { isIdle, legacyTables, type TableFamily } from '../linux/interfaces/legacy-tables.ts'
import { openFilterSocket } from '../linux/interfaces/netlink-socket.ts'
import { SyscallError } from '../linux/libc.ts'
import { moduleDirectories } from '../linux/module-directories.ts'
import type { Logger } from '../log.ts'
import { NetlinkClient } from '../netlink/client.ts'
import { NetlinkError } from '../netlink/error.ts'
import { type FilterChain, listChains } from '../netlink/packet-filter.ts'

/** The longest list of names: a plugin may have made thousands. */
const mostNamed = 16

/** Names them in a warning, for the namespace that the calling thread is in. Never throws: the pod runs without a filter that cannot be read, too. */
export function warnOfFilters(log: Logger): void {
  try {
    const tables = [...bypassedTables(chainsHere()), ...usedLegacyTables()]
    if (tables.length === 0) return
    const named = tables.slice(0, mostNamed).join(', ')
    const more = tables.length - mostNamed
    log.warn('packet filters of the pod’s network namespace do not hold for its machine', {
      tables: more > 0 ? `${named} and ${more} others` : named,
    })
  } catch (error) {
    log.warn('whether the pod’s network namespace has packet filters is not known', { error })
  }
}

/** Where nothing has loaded nf_tables there is none, and asking would load it. */
function chainsHere(): FilterChain[] {
  if (!existsSync('/sys/module/nf_tables') && !isBuiltIn('nf_tables')) return []
  try {
    const socket = openFilterSocket()
    try {
      return listChains(new NetlinkClient(socket))
    } finally {
      socket.close()
    }
  } catch (error) {
    if (isWithoutFilters(error)) return []
    throw error
  }
}

/** How a kernel answers that was built without nfnetlink, or without nf_tables. */
const isWithoutFilters = (error: unknown): boolean =>
  (error instanceof SyscallError && error.errno === 'EPROTONOSUPPORT') ||
  (error instanceof NetlinkError && (error.errno === 'EINVAL' || error.errno === 'EOPNOTSUPP'))

/** Whether the kernel has it without a module. One that takes no modules has nothing that could be loaded. */
function isBuiltIn(module: string): boolean {
  if (!existsSync('/proc/modules')) return true
  const lists = moduleDirectories(release()).map((directory) => `${directory}/modules.builtin`)
  return lists.some((list) => existsSync(list) && readFileSync(list, 'utf8').includes(`/${module}.ko\n`))
}

/** Tables that packets come to. Pure. Docker’s own, for its name server, are no loss: embedded-dns.ts does their work. */
export function bypassedTables(chains: readonly FilterChain[]): string[] {
  const tables = new Set(chains.filter(({ isBase }) => isBase).map(({ table }) => table))
  return [...tables].filter((table) => !isDockers(chains.filter((chain) => chain.table === table))).sort()
}

function isDockers(chains: readonly FilterChain[]): boolean {
  const called = chains.filter(({ isBase }) => !isBase)
  return called.length > 0 && called.every(({ name }) => name.startsWith('DOCKER_'))
}

/** Those of the older iptables that do something with packets. One that cannot be read counts. */
function usedLegacyTables(): string[] {
  return (['ip', 'ip6'] as const).flatMap((family) =>
    legacyTables(family)
      .filter((table) => !isSurelyIdle(family, table))
      .map((table) => `${family} ${table} (legacy)`),
  )
}

function isSurelyIdle(family: TableFamily, table: string): boolean {
  try {
    return isIdle(family, table)
  } catch {
    return false
  }
}
