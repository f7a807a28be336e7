/** Devices of the guest for a privileged container: every node of /dev, and never one of the host's. */
import { type Facts, lstat } from 'os'
import { list } from '../system/files.ts'
import { deviceNumbers } from './device-numbers.ts'

export interface DeviceNode {
  readonly path: string
  readonly type: 'c' | 'b'
  readonly major: number
  readonly minor: number
  /** Permission bits. */
  readonly fileMode: number
  readonly uid: number
  readonly gid: number
}

const typeMask = 0o170000
const types = new Map<number, 'c' | 'b'>([
  [0o020000, 'c'],
  [0o060000, 'b'],
])
/** What a container has its own of, made by crun: terminals, shared memory, message queues. */
const containersOwn = new Set(['pts', 'ptmx', 'shm', 'mqueue', 'console', 'tty'])

/** All nodes below /dev; `deepest` directories down (/dev/net/tun, /dev/input/event0). */
export function guestDevices(directory = '/dev', deepest = 3): DeviceNode[] {
  return list(directory)
    .filter((name) => directory !== '/dev' || !containersOwn.has(name))
    .flatMap((name) => {
      const path = `${directory}/${name}`
      const [facts, error] = lstat(path)
      if (error !== 0) return []
      const node = deviceNode(path, facts)
      if (node !== undefined) return [node]
      return (facts.mode & typeMask) === 0o040000 && deepest > 1 ? guestDevices(path, deepest - 1) : []
    })
}

/** Undefined for what is no device. */
function deviceNode(path: string, { mode, rdev, uid, gid }: Facts): DeviceNode | undefined {
  const type = types.get(mode & typeMask)
  if (type === undefined) return undefined
  return { path, type, ...deviceNumbers(rdev), fileMode: mode & 0o7777, uid, gid }
}
