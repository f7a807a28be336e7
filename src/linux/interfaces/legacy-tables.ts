/** Tables of the older iptables (<linux/netfilter_ipv4/ip_tables.h>, and ip6_tables.h) in the network namespace of the calling thread. */
import { closeSync, existsSync, readFileSync } from 'node:fs'
import { checked, libc, ptr } from '../libc.ts'

/** The address family, the level of its socket options, and where an entry has the offset of its target. */
const families = {
  ip: { af: 2, level: 0, targetOffset: 88 },
  ip6: { af: 10, level: 41, targetOffset: 140 },
} as const
export type TableFamily = keyof typeof families

const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
/** IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES, which are those of IPv6, too. */
const [getInfo, getEntries] = [64, 65]

const nameBytes = 32
/** struct ipt_getinfo: name, u32 mask of hooks, u32 first entries of 5 hooks, u32 policies of 5 hooks, u32 entries, u32 bytes of all entries. */
const infoBytes = 84
const at = { hooks: 32, policies: 56, count: 76, size: 80 } as const
const hookCount = 5
/** struct ipt_get_entries: name, u32 bytes, and the entries, aligned to 8 bytes. */
const [entriesSizeAt, entriesAt] = [32, 40]
/** struct xt_standard_target: u16 size, name and revision, i32 verdict. */
const verdictAt = 32
/** -NF_ACCEPT - 1. */
const accept = -2

/** Names of the tables that there are. One without rules may be there: before Linux 5.15 every namespace has those of the kernel, and later by a look at it. */
export function legacyTables(family: TableFamily): string[] {
  const path = `/proc/thread-self/net/${family}_tables_names`
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((name) => name !== '')
}

/**
 * Whether the table takes all packets as they are: it has no rule, no chain but its own, and no other policy than to accept.
 *
 * @throws SyscallError ENOENT (no such table), EAGAIN (it was changed meanwhile), EPERM.
 */
export function isIdle(family: TableFamily, table: string): boolean {
  const { af, level, targetOffset } = families[family]
  const fd = checked(libc.socket(af, SOCK_DGRAM | SOCK_CLOEXEC, 0), `socket for ${family} tables`)
  const ask = (option: number, answer: Uint8Array) => {
    const length = Uint32Array.of(answer.length)
    checked(libc.getsockopt(fd, level, option, ptr(answer), ptr(length)), `${family} table ${table}`)
    return new DataView(answer.buffer)
  }
  try {
    const info = ask(getInfo, request(table, infoBytes))
    const mask = info.getUint32(at.hooks, true)
    const hooks = Array.from({ length: hookCount }, (_, hook) => hook).filter((hook) => (mask >> hook) & 1)
    // One for the policy of each hook, and one that ends the table.
    if (info.getUint32(at.count, true) !== hooks.length + 1) return false
    const size = info.getUint32(at.size, true)
    const question = request(table, entriesAt + size)
    new DataView(question.buffer).setUint32(entriesSizeAt, size, true)
    const entries = ask(getEntries, question)
    return hooks.every((hook) => {
      const entry = entriesAt + info.getUint32(at.policies + 4 * hook, true)
      return (
        entries.getInt32(entry + entries.getUint16(entry + targetOffset, true) + verdictAt, true) === accept
      )
    })
  } finally {
    closeSync(fd)
  }
}

function request(table: string, bytes: number): Uint8Array {
  const name = new TextEncoder().encode(table)
  const asked = new Uint8Array(bytes)
  asked.set(name.subarray(0, nameBytes - 1))
  return asked
}
