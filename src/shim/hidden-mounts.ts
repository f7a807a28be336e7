/** Mounts of another process's namespace that this process does not see. */
import { openSync, readlinkSync, statSync } from 'node:fs'
import { closing, O_PATH, openAt, resolve } from '../linux/files/open-at.ts'
import { SyscallError } from '../linux/libc.ts'
import { mountPoints } from '../linux/mounts/mount.ts'

/** The mounts of process `client` on the way to `sources` that this process does not see; what is mounted below them is not listed. */
export function hiddenMounts(sources: readonly string[], client: number): string[] {
  const root = `/proc/${client}/root`
  const points = [...new Set(mountPoints(client))].sort((one, other) => one.length - other.length)
  const hidden = sources.flatMap((source) => {
    const path = realPath(root, source)
    const way = path === undefined ? [] : points.filter((point) => isAtOrBelow(path, point))
    return way.find((point) => !isSame(`${root}${point}`, point)) ?? []
  })
  return [...new Set(hidden)]
}

/** Links are followed as the client would. Undefined for a source that is not there; making the container says so. */
function realPath(root: string, source: string): string | undefined {
  try {
    return closing(openSync(root, O_PATH), (directory) =>
      closing(openAt(directory, source, O_PATH, resolve.inRoot), (fd) => readlinkSync(`/proc/self/fd/${fd}`)),
    )
  } catch (error) {
    if (error instanceof SyscallError) return undefined
    throw error
  }
}

const isAtOrBelow = (path: string, point: string) => `${path}/`.startsWith(point === '/' ? '/' : `${point}/`)

/** Whether both paths are one file of one file system, as far as they can be looked at. */
function isSame(theirs: string, ours: string): boolean {
  const [one, other] = [theirs, ours].map((path) => {
    try {
      const { dev, ino } = statSync(path, { bigint: true })
      return `${dev}:${ino}`
    } catch {
      return undefined
    }
  })
  return one === undefined || one === other
}
