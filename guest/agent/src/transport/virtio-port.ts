/** The agent's channel to the host: a virtio-serial port, found by its name. */
import { open } from 'syscalls'
import type { Transport } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'
import { list, openFlags, readIfThere } from '../system/files.ts'
import { sleep } from '../system/wait.ts'
import { createStreamTransport } from './stream.ts'

const portName = 'agent.channel.0'
/** The id of a virtio device that is a console, and the feature bit of one that has ports (virtio specification 5.3). */
const [consoleDevice, multiport] = ['0x0003', 1]
/** Milliseconds between two looks for the port, and until the last one. */
const [betweenLooks, untilLast] = [10, 60_000]

/**
 * Path of the device, or undefined when the machine has no such port. A console tells its driver of each port in messages of their own, for which a
 * busy host takes its time: the port of a console that has some is waited for.
 */
export async function findAgentPort(sysfs = '/sys'): Promise<string | undefined> {
  const directory = `${sysfs}/class/virtio-ports`
  for (let waited = 0; ; waited += betweenLooks) {
    const port = list(directory).find((port) => readIfThere(`${directory}/${port}/name`)?.trim() === portName)
    if (port !== undefined) return `/dev/${port}`
    if (waited >= untilLast || !hasPorts(`${sysfs}/bus/virtio/devices`)) return undefined
    await sleep(betweenLooks)
  }
}

/** Whether a console has ports, which its driver has agreed to. */
function hasPorts(devices: string): boolean {
  const of = (device: string, fact: string) => readIfThere(`${devices}/${device}/${fact}`)?.trim()
  return list(devices).some(
    (device) => of(device, 'device') === consoleDevice && of(device, 'features')?.[multiport] === '1',
  )
}

/**
 * Hands a transport over whenever the host connects. Its first bytes may come before the news of it and then belong to
 * the connection before, so a host repeats its first call until it is answered. While nobody is connected the port is always readable and reads
 * as ended, so it is watched for changes then (edge-triggered), not for its state.
 */
export function servePort(loop: Loop, path: string, onConnection: (transport: Transport) => void): void {
  const fd = open(path, openFlags.readWrite | openFlags.nonBlock, 0)
  const waitForHost = (): void =>
    loop.watch(fd, events.in | events.out | events.edge, (seen) => {
      if (seen & events.hangUp) return
      loop.forget(fd)
      onConnection(createStreamTransport(loop, fd, waitForHost))
    })
  waitForHost()
}
