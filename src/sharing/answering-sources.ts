/**
 * Finds out which sources of mounts answer. The server of a network file system may be gone: looking at a file there then blocks in the kernel
 * until the server is back, and in the shim it would block every call about every container of the pod. So a child process looks first.
 */
import { KataError } from '../errors.ts'
import { type MountEntry, mountEntries } from '../linux/mounts/mount.ts'
import { systemTool } from '../linux/processes/which.ts'
import { within } from '../time.ts'

/** Time for each source to answer, milliseconds. */
const answerMs = 10_000
/** File systems with a server or a process behind them. */
const served = /^(nfs4?|cifs|smb3?|9p|afs|ceph|lustre|beegfs|gpfs|gfs2|ocfs2|orangefs|autofs|fuse|fuse\..+)$/

/** Whether a server or process is behind the mount. Excludes systemd's automount of binfmt_misc, which nearly every host has. */
export const isServed = ({ type, point }: MountEntry): boolean =>
  served.test(type) && !/^\/(proc|sys)\//.test(point)

/** The ids of the mounts that may not answer, joined by spaces. Empty if there are none. */
const servedMounts = (): string =>
  mountEntries()
    .filter(isServed)
    .map(({ id }) => id)
    .join(' ')

/** Whether the host has any mount that may not answer. If not, callers need not wait for a look. */
export const mayBeSilent = (): boolean => servedMounts() !== ''

/** Whether `path`, which has no links, is below a mount that may not answer, even if another mount hides that mount now. */
export const mayFallSilent = (path: string): boolean =>
  mountEntries().some((mount) => isServed(mount) && `${path}/`.startsWith(mount.point.replace(/\/*$/, '/')))

/** A look that was given up and still hangs. */
interface StuckLook {
  /** {@link servedMounts} when the look began. If they have changed, the source may be on another mount by now. */
  readonly mounts: string
}

/** Stuck looks by their source. */
const stuckLooks = new Map<string, StuckLook>()

/**
 * Counts the sources that answer, in order, up to the first that does not. A missing source counts as an answer. If the host has no mount that
 * may not answer, the result is the number of sources, and no process starts. A path alone does not tell where a source is, because links may
 * lead to such a mount. A source with a stuck look is not looked at again: each look could leave another process that cannot be killed.
 */
export async function countAnswering(sources: readonly string[], limitMs = answerMs): Promise<number> {
  const mounts = servedMounts()
  if (sources.length === 0 || mounts === '') return sources.length
  const silent = sources.findIndex((source) => stuckLooks.get(source)?.mounts === mounts)
  if (silent >= 0) return countAnswering(sources.slice(0, silent), limitMs)
  const look = 'for source; do [ -e "$source" ]; echo; done'
  const child = Bun.spawn([systemTool('sh'), '-c', look, 'sh', ...sources], {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const reader = child.stdout.getReader()
  let answered = 0
  for (;;) {
    const read = await within(reader.read(), limitMs)
    if (read?.done) break
    if (read === undefined) {
      // The child may survive SIGKILL until the server is back, so it is not waited for.
      child.kill('SIGKILL')
      child.unref()
      const source = sources[answered]
      if (source !== undefined) noteStuck(source, { mounts }, child.exited)
      void reader.cancel().catch(() => {})
      break
    }
    answered += read.value.length
  }
  return answered
}

/** Remembers the look until its process ends, which happens when the server answers again or is gone. */
function noteStuck(source: string, look: StuckLook, ended: Promise<unknown>): void {
  stuckLooks.set(source, look)
  void ended.then(() => {
    if (stuckLooks.get(source) === look) stuckLooks.delete(source)
  })
}

/** @throws KataError SHARE_SOURCE_SILENT naming the first source that does not answer. */
export async function requireAnswering(
  sources: readonly string[],
  container: string,
  limitMs = answerMs,
): Promise<void> {
  const source = sources[await countAnswering(sources, limitMs)]
  if (source !== undefined)
    throw new KataError('SHARE_SOURCE_SILENT', { source, container, seconds: limitMs / 1000 })
}
