/**
 * Sources on a file system whose server may be gone. A look at one then blocks in the kernel for as long as the server stays away, and
 * would hold up the whole shim: every call about every container of the pod. So a process of its own looks first.
 */
import { KataError } from '../errors.ts'
import { type MountEntry, mountEntries } from '../linux/mounts/mount.ts'
import { systemTool } from '../linux/processes/which.ts'
import { within } from '../time.ts'

/** How long each source may take to answer, milliseconds. */
const answerMs = 10_000
/** File systems behind which there is a server, or a process. */
const served = /^(nfs4?|cifs|smb3?|9p|afs|ceph|lustre|beegfs|gpfs|gfs2|ocfs2|orangefs|autofs|fuse|fuse\..+)$/

/** Whether there is one behind it. systemd's automount of binfmt_misc is on nearly every host. */
export const isServed = ({ type, point }: MountEntry): boolean =>
  served.test(type) && !/^\/(proc|sys)\//.test(point)

/** The ids of the mounts that may not answer, as one text; empty where there is none. */
const servedMounts = (): string =>
  mountEntries()
    .filter(isServed)
    .map(({ id }) => id)
    .join(' ')

/** Whether there is a file system that may not answer. Where there is none, nobody needs to wait for a look. */
export const mayBeSilent = (): boolean => servedMounts() !== ''

/** The same for a path without links: whether it lies on such a file system, or would if another one were unmounted. */
export const mayFallSilent = (path: string): boolean =>
  mountEntries().some((mount) => isServed(mount) && `${path}/`.startsWith(mount.point.replace(/\/*$/, '/')))

/** A look that was given up and has not ended. */
interface StuckLook {
  /** {@link servedMounts} of its time: once others are mounted, the source may lie on one of these. */
  readonly mounts: string
}

/** By the source that did not answer. */
const stuckLooks = new Map<string, StuckLook>()

/**
 * How many of them answer, in their order, before the first that does not. A source that is not there has answered. Where no such file system
 * is mounted, all do: nothing is started then. Links lead to such file systems too, so a path alone says nothing. While an earlier look at a
 * source is stuck, the source is not looked at: each look could leave one more process that cannot be killed.
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
      // It may be beyond SIGKILL for as long as the server is away, so it is not waited for.
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

/** The look ends once its server answers again, or has gone. */
function noteStuck(source: string, look: StuckLook, ended: Promise<unknown>): void {
  stuckLooks.set(source, look)
  void ended.then(() => {
    if (stuckLooks.get(source) === look) stuckLooks.delete(source)
  })
}

/** @throws KataError SHARE_SOURCE_SILENT naming the first that does not answer. */
export async function requireAnswering(
  sources: readonly string[],
  container: string,
  limitMs = answerMs,
): Promise<void> {
  const source = sources[await countAnswering(sources, limitMs)]
  if (source !== undefined)
    throw new KataError('SHARE_SOURCE_SILENT', { source, container, seconds: limitMs / 1000 })
}
