/** The agent's channel to the host: a virtio-serial port, found by its name. */
import { open } from 'syscalls'
import type { Transport } from '../../../../src/ttrpc/ttrpc.ts'
import { events, type Loop } from '../devices/loop.ts'
import { list, openFlags, readIfThere } from '../system/files.ts'
import { createStreamTransport } from './stream.ts'

const portName = 'agent.channel.0'
const directory = '/sys/class/virtio-ports'

/** Path of the device, or undefined when the machine has no such port. */
export function findAgentPort(): string | undefined {
  const port = list(directory).find((port) => readIfThere(`${directory}/${port}/name`)?.trim() === portName)
  return port && `/dev/${port}`
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
