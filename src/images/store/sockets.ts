/** The sockets of other stores of this host, and who may speak to them. */
import { statSync } from 'node:fs'
import { KataError } from '../../errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Docker's, or what DOCKER_HOST names. @throws KataError OPTION_INVALID for one of another host. */
export function dockerSocket({ DOCKER_HOST: host = 'unix:///var/run/docker.sock' }: Environment): string {
  const path = /^unix:\/\/(\/.+)$/.exec(host)?.[1]
  if (path !== undefined) return path
  const allowed =
    'unix:///PATH, a socket of this host; `docker save NAME | kata-ts load` takes an image of another'
  throw new KataError('OPTION_INVALID', { option: 'DOCKER_HOST', value: host, allowed })
}

/** containerd's, or what CONTAINERD_ADDRESS names, as for ctr. */
export const containerdSocket = ({ CONTAINERD_ADDRESS: address }: Environment): string =>
  address?.replace(/^unix:\/\//, '') || '/run/containerd/containerd.sock'

/** The group that a socket belongs to; undefined where there is no such socket, which its client says. */
export function groupOfSocket(path: string): number | undefined {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isSocket() === true ? stat.gid : undefined
}
