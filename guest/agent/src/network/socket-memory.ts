/** Memory of all sockets together. */
import { readIfThere, set } from '../system/files.ts'

const directory = '/proc/sys/net/ipv4'
const kibibytesPerPage = 4
/** Which part of the memory the kernel begins to save at, by its parameter (net/ipv4/tcp.c, udp.c). */
const parts = { tcp_mem: 16, udp_mem: 8 } as const

/**
 * What the kernel would have set if it had booted with so much memory: it does that once, when it boots, and the machine grows. What somebody
 * else has set stays.
 */
export function growSocketMemory(kibibytes: number): void {
  for (const [name, part] of Object.entries(parts)) {
    const file = `${directory}/${name}`
    const now = readIfThere(file)?.trim().split(/\s+/).map(Number)
    const wanted = threeOf(Math.floor(kibibytes / kibibytesPerPage / part))
    if (now !== undefined && isOfKernel(now) && wanted[1] > now[1]) set(file, wanted.join(' '))
  }
}

type Three = readonly [low: number, pressure: number, high: number]

function threeOf(pressure: number): Three {
  const low = Math.floor(pressure / 4) * 3
  return [low, pressure, 2 * low]
}

const isOfKernel = (now: readonly number[]): now is Three =>
  now.length === 3 && threeOf(now[1]!).every((pages, index) => pages === now[index])
