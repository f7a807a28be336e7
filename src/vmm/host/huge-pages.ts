/** Huge pages of the host, which somebody has to reserve before a machine can be made of them. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import type { Ledger, ResourceKind } from '../../ledger/ledger.ts'
import { processesOfUid, readProc } from '../../linux/processes/proc.ts'
import type { VmSpec } from '../vmm.ts'

/**
 * What machines of this host may still take: a file `UID.TOKEN.DIRECTORY` for each promise to one that takes its pages only as its
 * guest touches them, with the machine's private directory in base64url. It holds the number of pages, which is all that an older
 * version reads of it; one makes a file `UID`. A user may have several: root's machines, and one that grows.
 */
const promisesDir = '/run/kata-ts/huge-pages'

/** One promise, by its file. */
export const pagePromiseResource: ResourceKind<{ readonly path: string }> = {
  kind: 'huge-pages',
  release: ({ path }) => rmSync(path, { force: true }),
}

export interface PageSources {
  /** The text of /proc/meminfo. */
  readonly meminfo?: string
  readonly directory?: string
  readonly pidsOf?: (uid: number) => readonly number[]
  /** KiB of huge pages that a process has. */
  readonly takenKiB?: (pid: number) => number
}

/**
 * Whether `memoryMiB` fit into the host's huge pages of the usual size that are free and promised to nobody, but in the file `own`; a VMM
 * would only be killed when it touches the first page that is not there.
 *
 * @throws KataError VMM_NO_HUGEPAGES.
 */
export function requireHugePages(memoryMiB: number, sources: PageSources = {}, own?: string): void {
  const { meminfo = readFileSync('/proc/meminfo', 'utf8') } = sources
  const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1] ?? 0)
  const pageKiB = hugePageBytes(meminfo) / 1024
  const promised = promisedPages(sources, pageKiB, own)
  const free = Math.max(value('HugePages_Free') - value('HugePages_Rsvd') - promised, 0)
  const needed = pagesFor(memoryMiB, pageKiB)
  if (pageKiB === 0 || free < needed)
    throw new KataError('VMM_NO_HUGEPAGES', { memoryMiB, needed, free, pageKiB })
}

/**
 * The same for a VMM that maps without reserving, which is promised its pages for as long as it lives. The promise is made
 * before it is looked whether it can be kept: of two that ask at once each sees the other's.
 *
 * @returns what gives it up before that.
 */
export async function promiseHugePages(
  ledger: Ledger,
  { identity, privateDir }: Pick<VmSpec, 'identity' | 'privateDir'>,
  memoryMiB: number,
  sources: PageSources = {},
): Promise<() => Promise<void>> {
  const { directory = promisesDir } = sources
  const pageKiB = hugePageBytes(sources.meminfo) / 1024
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const token = crypto.randomUUID().slice(0, 8)
  const path = `${directory}/${identity.uid}.${token}.${Buffer.from(privateDir).toString('base64url')}`
  await ledger.take(pagePromiseResource, { path }, () => {
    writeFileSync(path, `${pagesFor(memoryMiB, pageKiB)}\n`, { mode: 0o600, flag: 'wx' })
    requireHugePages(memoryMiB, sources, path)
  })
  return () => ledger.release(pagePromiseResource, (promise) => promise.path === path)
}

const pagesFor = (memoryMiB: number, pageKiB: number): number =>
  pageKiB === 0 ? 0 : Math.ceil((memoryMiB * 1024) / pageKiB)

/** What was promised and is still to be taken. What a machine has taken counts once, however many promises there are. */
function promisedPages(sources: PageSources, pageKiB: number, own?: string): number {
  const { directory = promisesDir } = sources
  const machines = new Map<string, { uid: number; privateDir: string; pages: number }>()
  for (const name of names(directory)) {
    const path = `${directory}/${name}`
    if (path === own) continue
    const [user, , place = ''] = name.split('.')
    const uid = Number(user)
    const privateDir = Buffer.from(place, 'base64url').toString()
    const key = uid === 0 ? privateDir : `${uid}`
    const before = machines.get(key)?.pages ?? 0
    machines.set(key, { uid, privateDir, pages: before + Number(readProc(path) ?? 0) })
  }
  const { takenKiB = hugeKiBOf } = sources
  const left = [...machines.values()].map(({ uid, privateDir, pages }) => {
    const taken = pidsOfMachine(sources, uid, privateDir).map(takenKiB)
    return Math.max(pages - taken.reduce((sum, size) => sum + size, 0) / pageKiB, 0)
  })
  return left.reduce((sum, pages) => sum + pages, 0)
}

/** Of root's processes only the VMM itself, once it has told its number; without that all that was promised counts. */
function pidsOfMachine(
  { pidsOf = processesOfUid }: PageSources,
  uid: number,
  privateDir: string,
): readonly number[] {
  if (uid !== 0) return pidsOf(uid)
  const pid = privateDir === '' ? undefined : readProc(`${privateDir}/pid`)
  return pid === undefined ? [] : [Number(pid)]
}

function hugeKiBOf(pid: number): number {
  const text = readProc(`/proc/${pid}/smaps_rollup`) ?? ''
  const sizes = [...text.matchAll(/^(?:Shared|Private)_Hugetlb:\s+(\d+) kB/gm)]
  return sizes.reduce((sum, [, size]) => sum + Number(size), 0)
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** The size of one, in bytes; 0 where the kernel has none. */
export function hugePageBytes(meminfo = readFileSync('/proc/meminfo', 'utf8')): number {
  return Number(/^Hugepagesize:\s+(\d+)/m.exec(meminfo)?.[1] ?? 0) * 1024
}
