/** Finds the disk that is mounted at a path. Pure: tested on the host. */

/** The newest mount at `path` in lines of /proc/self/mounts; undefined if it is not of a disk. */
export function mountedDisk(mounts: string, path: string): { disk: string; type: string } | undefined {
  const [source = '', , type = ''] =
    mounts
      .split('\n')
      .map((line) => line.split(' '))
      .findLast(([, point]) => point === path) ?? []
  const disk = /^\/dev\/([a-z]+)$/.exec(source)?.[1]
  return disk === undefined ? undefined : { disk, type }
}
