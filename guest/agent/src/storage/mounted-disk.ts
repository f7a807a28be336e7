/** Which disk is mounted somewhere. Pure: tested on the host. */

/** The newest mount at `path`, by lines of /proc/self/mounts, if it is of a disk. */
export function mountedDisk(mounts: string, path: string): { disk: string; type: string } | undefined {
  const [source = '', , type = ''] =
    mounts
      .split('\n')
      .map((line) => line.split(' '))
      .findLast(([, point]) => point === path) ?? []
  const disk = /^\/dev\/([a-z]+)$/.exec(source)?.[1]
  return disk === undefined ? undefined : { disk, type }
}
