/** `show-mounts`: a process of the shim's that copies mounts from the client's mount namespace into the shim's (late-mounts.ts). */
import { closeSync, openSync, writeSync } from 'node:fs'
import { readLateMounts } from '../bundle/late-mounts.ts'
import { closing, O_PATH, openAt, resolve, workingDirectory } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'
import { enterMountNamespace } from '../linux/mounts/enter-namespace.ts'
import { attachTreeAt, cloneTree } from '../linux/mounts/mount-tree.ts'
import { within } from '../time.ts'
import type { ShimFlags } from './flags.ts'
import { spawnSelf } from './self.ts'

/** Descriptor of the client's namespace, the first after the standard streams. */
const clientNamespace = 3
/** Longest that the copy may take, milliseconds. */
const limitMs = 10_000
/** How long its last words are waited for, milliseconds: a file server that does not answer keeps the process from its end. */
const wordsMs = 1000

/** Does the work, and tells a system call that failed on stderr: errno and mount point. */
export function showMounts({ bundle }: Pick<ShimFlags, 'bundle'>): number {
  const points = readLateMounts(bundle)
  const own = openSync('/proc/self/ns/mnt', 'r')
  let point = ''
  try {
    enterMountNamespace(clientNamespace)
    const trees = points.map((at) => {
      point = at
      return { at, tree: closing(locate(at), (fd) => cloneTree(fd, { recursive: true })) }
    })
    enterMountNamespace(own)
    for (const { at, tree } of trees) {
      point = at
      closing(locate(at), (fd) => attachTreeAt(tree, fd))
    }
    return 0
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    writeSync(2, `${error.errno} ${point}`)
    return 1
  }
}

/** Without following links: a pod may have made them. */
const locate = (point: string): number =>
  openAt(workingDirectory, point, O_PATH, resolve.noSymlinks | resolve.noMagiclinks)

/**
 * In the shim: has the mounts copied that the bundle lists. Resolves with what the copy failed at.
 *
 * @throws ErrnoException when the client has ended; Error with the process's own words when it failed otherwise.
 */
export async function showMountsApart(
  flags: ShimFlags,
  bundle: string,
  client: number,
): Promise<{ readonly point: string; readonly errno: string } | undefined> {
  const namespace = openSync(`/proc/${client}/ns/mnt`, 'r')
  try {
    const stdio = ['ignore', 'ignore', 'pipe', namespace] as const
    const child = spawnSelf('show-mounts', flags, { bundle, cwd: '/', stdio: [...stdio] })
    const code = await within(child.exited, limitMs)
    if (code === 0) return undefined
    child.kill('SIGKILL')
    const said = (await within(new Response(child.stderr as ReadableStream).text(), wordsMs)) ?? ''
    const how = code === undefined ? `not within ${limitMs / 1000} s` : `exit code ${code}`
    const [, errno, point] = /^(E[A-Z0-9]+|errno \d+) (.*)$/s.exec(said) ?? []
    if (errno === undefined || point === undefined) throw new Error(`mounts were not copied: ${said || how}`)
    return { errno, point }
  } finally {
    closeSync(namespace)
  }
}
