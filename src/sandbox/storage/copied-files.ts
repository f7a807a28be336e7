/**
 * Files of the host that are copied into the guest, for VMMs without a shared file system: as Kata does it, in pieces of
 * 1 MiB, and again when they have changed (a ConfigMap or Secret that kubelet brings up to date).
 */
import { readlinkSync } from 'node:fs'
import type { AgentClient } from '../../agent/client.ts'
import { KataError } from '../../errors.ts'
import { closing } from '../../linux/files/open-at.ts'
import { mayFallSilent, requireAnswering } from '../../sharing/answering-sources.ts'
import { openSource } from '../../sharing/source.ts'
import { SourceTree, type TreeEntry } from './source-tree.ts'
import { currentEntries, dataPath, versionOf } from './volume-versions.ts'

const pieceBytes = 1024 * 1024
/** Limits of one mount, which lies in the guest's memory. */
const [mostEntries, mostBytes] = [1024, 32 * 1024 * 1024]
const mostListings = 3
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

/** Both in milliseconds; default {@link lookMs}, and as {@link requireAnswering}. */
export interface CopyTimes {
  readonly everyMs?: number
  readonly answerMs?: number
}

/**
 * Copies file or directory once and then whenever it changes. A guest that answers late is asked for one thing at a time, and for nothing
 * more once it is stopped: the container's directory is removed then. `onError` hears of a failure once, however often it comes again.
 *
 * @throws KataError SHARE_COPY_TOO_LARGE, and those of the source.
 */
export async function keepCopy(
  agent: Pick<AgentClient, 'copyFile'>,
  request: CopyRequest,
  onError: (error: unknown) => void,
  { everyMs = lookMs, answerMs }: CopyTimes = {},
): Promise<KeptCopy> {
  let known = new Map<string, string>()
  const stopped = new AbortController()
  const guest = {
    copyFile(piece: Parameters<typeof agent.copyFile>[0]) {
      stopped.signal.throwIfAborted()
      return agent.copyFile(piece)
    },
  }
  const copy = async () => {
    using tree = open(request)
    const now = new Map<string, string>()
    let isWhole = true
    for (const entry of inOrder(settledEntries(tree))) {
      const signed = signature(entry)
      if (known.get(entry.path) === signed) now.set(entry.path, signed)
      // No link may lead to an incomplete version.
      else if (!isWhole && entry.linkTo !== undefined) continue
      else if (await copyEntry(guest, request, tree, entry)) now.set(entry.path, signed)
      else isWhole = false
    }
    known = now
  }
  const isServed = mayFallSilent(realPath(request))
  await copy()
  let isLooking = false
  let told = ''
  const look = async () => {
    if (isLooking) return
    isLooking = true
    try {
      if (isServed) await requireAnswering([request.source], request.container, answerMs)
      await copy()
      told = ''
    } catch (error) {
      const words = String(error)
      if (!stopped.signal.aborted && words !== told) onError(error)
      told = words
    } finally {
      isLooking = false
    }
  }
  const timer = setInterval(look, everyMs)
  timer.unref()
  return {
    stop() {
      clearInterval(timer)
      stopped.abort()
    },
  }
}

/** Listed again while kubelet is at work: a directory may have been listed before its version was complete. */
function settledEntries(tree: SourceTree): readonly TreeEntry[] {
  let entries = tree.entries()
  for (let again = 0; again < mostListings && versionOf(entries) !== undefined; again++) {
    const before = versionOf(entries)
    entries = tree.entries()
    if (versionOf(entries) === before) break
  }
  return currentEntries(entries)
}

/** Links last: kubelet's `..data` must lead to what is there already, and the other links lead through it. */
function inOrder(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  const rank = ({ path, stat }: TreeEntry) => (!stat.isSymbolicLink() ? 0 : path === dataPath ? 1 : 2)
  return entries.toSorted((one, other) => rank(one) - rank(other))
}

/** @throws KataError SHARE_COPY_TOO_LARGE, and those of the source. */
export function requireSmall(request: Pick<CopyRequest, 'source' | 'container'>): void {
  using tree = open(request)
  tree.entries()
}

function realPath({ source, container }: CopyRequest): string {
  return closing(openSource(source, container).fd, (fd) => readlinkSync(`/proc/self/fd/${fd}`))
}

/** The source itself may be a link of the operator's (resolv.conf), and lead elsewhere by now. */
function open({ source, container }: Pick<CopyRequest, 'source' | 'container'>): SourceTree {
  const { fd } = openSource(source, container)
  return new SourceTree(fd, { entries: mostEntries, bytes: mostBytes }, () => {
    throw new KataError('SHARE_COPY_TOO_LARGE', {
      source,
      container,
      entries: mostEntries,
      mebibytes: mostBytes / pieceBytes,
    })
  })
}

const signature = ({ stat, identity, linkTo = '' }: TreeEntry): string =>
  [stat.mode, stat.uid, stat.gid, stat.isDirectory() ? 0 : stat.mtimeMs, stat.size, identity, linkTo].join(
    ' ',
  )

/** False when the entry has changed since it was listed; the next look finds the change. */
async function copyEntry(
  agent: Pick<AgentClient, 'copyFile'>,
  { target }: CopyRequest,
  tree: SourceTree,
  entry: TreeEntry,
): Promise<boolean> {
  const { path, stat, linkTo } = entry
  const { mode: fileMode, uid, gid } = stat
  const facts = { path: `${target}${path}`, fileMode, dirMode: 0o755, uid, gid }
  if (stat.isDirectory()) {
    await agent.copyFile({ ...facts, fileSize: 0n, offset: 0n })
    return true
  }
  if (linkTo !== undefined) {
    const data = Buffer.from(linkTo)
    await agent.copyFile({ ...facts, fileSize: BigInt(data.length), offset: 0n, data })
    return true
  }
  const bytes = tree.read(entry)
  if (bytes === undefined) return false
  const fileSize = BigInt(bytes.length)
  for (let offset = 0; offset === 0 || offset < bytes.length; offset += pieceBytes) {
    const data = bytes.subarray(offset, offset + pieceBytes)
    await agent.copyFile({ ...facts, fileSize, offset: BigInt(offset), data })
  }
  return true
}
