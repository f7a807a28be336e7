/**
 * Files of the host that are copied into the guest, for VMMs without a shared file system: as Kata does it, in pieces of
 * 1 MiB, and again when they have changed (a ConfigMap or Secret that kubelet brings up to date).
 */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
} from 'node:fs'
import type { AgentClient } from '../agent/client.ts'
import { KataError } from '../errors.ts'

/** One entry of what is copied. */
interface Entry {
  /** From the top; empty for the top itself. */
  readonly path: string
  readonly stat: Stats
}

const pieceBytes = 1024 * 1024
/** What one mount may have: it lies in the guest's memory. */
const [mostEntries, mostBytes] = [1024, 32 * 1024 * 1024]
/** How often sources are looked at for changes, milliseconds; Kata's figure. */
const lookMs = 2000

export interface CopyRequest {
  /** On the host. */
  readonly source: string
  /** In the guest, below the directory of the share. */
  readonly target: string
  readonly container: string
}

/** A copy that is kept up to date until it is stopped. */
export interface KeptCopy {
  stop(): void
}

/** Copies file or directory once and then whenever it changes. @throws KataError SHARE_COPY_TOO_LARGE. */
export async function keepCopy(
  agent: Pick<AgentClient, 'copyFile'>,
  request: CopyRequest,
  onError: (error: unknown) => void,
): Promise<KeptCopy> {
  let known = new Map<string, string>()
  const copy = async () => {
    // The source itself may be a link (resolv.conf), and lead elsewhere by now.
    const found = { ...request, source: realpathSync(request.source) }
    const entries = entriesOf(found)
    // Links last: kubelet's `..data` must lead to what is there already.
    const isLink = ({ stat }: Entry) => stat.isSymbolicLink()
    const ordered = [...entries.filter((entry) => !isLink(entry)), ...entries.filter(isLink)]
    const now = new Map(entries.map((entry) => [entry.path, signature(entry)]))
    for (const entry of ordered)
      if (known.get(entry.path) !== now.get(entry.path)) await copyEntry(agent, found, entry)
    known = now
  }
  await copy()
  let running = Promise.resolve()
  const timer = setInterval(() => {
    running = running.then(copy).catch(onError)
  }, lookMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}

/** @throws KataError SHARE_COPY_TOO_LARGE. */
export function requireSmall(request: Pick<CopyRequest, 'source' | 'container'>): void {
  entriesOf({ ...request, source: realpathSync(request.source) })
}

/** Everything below the source, parents first. */
function entriesOf({ source, container }: Pick<CopyRequest, 'source' | 'container'>): Entry[] {
  const entries: Entry[] = []
  let bytes = 0
  const walk = (path: string) => {
    const stat = lstatSync(`${source}${path}`)
    if (!stat.isDirectory() && !stat.isFile() && !stat.isSymbolicLink()) return
    entries.push({ path, stat })
    bytes += stat.isFile() ? stat.size : 0
    if (entries.length > mostEntries || bytes > mostBytes)
      throw new KataError('SHARE_COPY_TOO_LARGE', {
        ...{ source, container, entries: mostEntries, mebibytes: mostBytes / pieceBytes },
      })
    if (stat.isDirectory()) for (const name of readdirSync(`${source}${path}`).sort()) walk(`${path}/${name}`)
  }
  walk('')
  return entries
}

const signature = ({ stat }: Entry): string =>
  [stat.mode, stat.uid, stat.gid, stat.isDirectory() ? 0 : stat.mtimeMs, stat.size, stat.ino].join(' ')

async function copyEntry(
  agent: Pick<AgentClient, 'copyFile'>,
  { source, target }: CopyRequest,
  { path, stat }: Entry,
): Promise<void> {
  const { mode: fileMode, uid, gid } = stat
  const facts = { path: `${target}${path}`, fileMode, dirMode: 0o755, uid, gid }
  if (stat.isDirectory()) {
    await agent.copyFile({ ...facts, fileSize: 0n, offset: 0n })
    return
  }
  if (stat.isSymbolicLink()) {
    const data = Buffer.from(readlinkSync(`${source}${path}`))
    await agent.copyFile({ ...facts, fileSize: BigInt(data.length), offset: 0n, data })
    return
  }
  const bytes = readWhole(`${source}${path}`)
  const fileSize = BigInt(bytes.length)
  for (let offset = 0; offset === 0 || offset < bytes.length; offset += pieceBytes) {
    const data = bytes.subarray(offset, offset + pieceBytes)
    await agent.copyFile({ ...facts, fileSize, offset: BigInt(offset), data })
  }
}

/** At most so much as a mount may have: the file may have grown since it was looked at. */
function readWhole(path: string): Buffer {
  const fd = openSync(path, 'r')
  try {
    const parts: Buffer[] = []
    for (let total = 0; total < mostBytes; ) {
      const part = Buffer.alloc(pieceBytes)
      const count = readSync(fd, part, 0, pieceBytes, total)
      if (count === 0) break
      parts.push(part.subarray(0, count))
      total += count
    }
    return Buffer.concat(parts)
  } finally {
    closeSync(fd)
  }
}
