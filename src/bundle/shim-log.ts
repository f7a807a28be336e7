/** Where the shim of a container writes its log. */
import { constants, existsSync, openSync } from 'node:fs'
import { bundleFile } from './files.ts'

/**
 * containerd keeps `log` as a FIFO in the bundle and copies it to its own log; without one it is a file, whose older half the shim drops when it is
 * full (../log.ts): so it can be read, too.
 */
export function openShimLog(bundle: string): number {
  const fifo = bundleFile(bundle, 'logFifo')
  return existsSync(fifo)
    ? openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
    : openSync(
        bundleFile(bundle, 'shimLog'),
        constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
        0o600,
      )
}
