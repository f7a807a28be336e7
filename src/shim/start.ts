/**
 * `start`: binds the sandbox's socket, hands the listening descriptor to a detached copy of itself and prints the address at once.
 * The copy starts while the client connects; the backlog holds the connection.
 */
import { closeSync, constants, existsSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { bundleFile } from '../bundle/files.ts'
import { replaceFile } from '../bundle/read-file.ts'
import { writeShimProcess } from '../bundle/shim-process.ts'
import { KataError } from '../errors.ts'
import { checked, libc, SyscallError } from '../linux/libc.ts'
import { mount, mountFlags } from '../linux/mounts/mount.ts'
import { raiseDescriptorLimit } from '../linux/processes/descriptor-limit.ts'
import { processRef } from '../linux/processes/proc.ts'
import { isListening, listenUnix } from '../linux/sockets/socket.ts'
import { podOf } from '../oci/annotations.ts'
import { readBundleSpec } from '../oci/bundle.ts'
import { takeShimScore } from '../rootless/jail/oom-score.ts'
import { dropRights } from '../rootless/shim-rights.ts'
import { defaultRunDir, sandboxKey } from '../sandbox/records/paths.ts'
import { mostDescriptors } from '../sharing/virtiofsd/command.ts'
import { parseBootstrap, readInput } from './bootstrap.ts'
import type { ShimFlags } from './flags.ts'
import { writeRuntimeOptions } from './sandbox/runtime-options.ts'
import { spawnSelf } from './self.ts'

const CLONE_NEWNS = 0x20000

/** Path of the socket on which the shim of this sandbox listens; short, because socket paths are limited. */
export function shimSocketPath(runDir: string, namespace: string, sandboxId: string): string {
  return `${runDir}/s/${sandboxKey(namespace, sandboxId)}`
}

/**
 * Prints the address of the shim for the bundle in `cwd`. It starts a shim, unless the bundle's container belongs to a pod that has one.
 *
 * @throws KataError POD_SHIM_GONE, SHIM_EXISTS.
 */
export async function start(flags: ShimFlags, cwd: string): Promise<number> {
  const runDir = flags.runDir ?? defaultRunDir
  const bootstrap = parseBootstrap(readInput(), flags, process.env)
  // containerd makes no specification for a sandbox of the Sandbox service. A task without one fails at Create.
  const spec = existsSync(bundleFile(cwd, 'spec')) ? readBundleSpec(cwd) : undefined
  const sandboxId = (spec && podOf(spec)) ?? flags.id
  const socketPath = shimSocketPath(runDir, flags.namespace, sandboxId)
  const address = `unix://${socketPath}`
  if (sandboxId === flags.id) {
    if (bootstrap.options !== undefined) writeRuntimeOptions(cwd, bootstrap.options)
    const listener = bindSocket(runDir, socketPath, flags)
    spawnDaemon({ ...flags, debug: bootstrap.debug }, cwd, listener, bootstrap.eventsAddress)
    closeSync(listener)
  } else if (!isListening(socketPath)) {
    throw new KataError('POD_SHIM_GONE', { id: flags.id, pod: sandboxId })
  }
  // containerd reads this file when it restarts; without it the task would be lost.
  replaceFile(bundleFile(cwd, 'address'), address)
  writeSync(1, bootstrap.answer(address))
  return 0
}

/** @throws KataError SHIM_EXISTS. */
function bindSocket(runDir: string, path: string, { namespace, id }: ShimFlags): number {
  mkdirSync(runDir, { recursive: true, mode: 0o711 })
  mkdirSync(`${runDir}/s`, { recursive: true, mode: 0o700 })
  try {
    return listenUnix(path)
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === 'EADDRINUSE')) throw error
    if (isListening(path)) throw new KataError('SHIM_EXISTS', { namespace, id, path }, { cause: error })
    // Nobody serves it: a crash left it.
    rmSync(path)
    return listenUnix(path)
  }
}

/**
 * The daemon lives in its own mount namespace, a slave of the host's. Its mounts for the pod are invisible outside, and go away with
 * it, whatever kills it. It begins with the rights that its work takes, see ../rootless/shim-rights.ts.
 */
function spawnDaemon(flags: ShimFlags, bundle: string, listener: number, eventsAddress: string): void {
  checked(libc.unshare(CLONE_NEWNS), 'unshare mount namespace')
  mount({ source: 'none', target: '/', flags: mountFlags.slave | mountFlags.rec })
  const log = openLog(bundle)
  takeShimScore()
  raiseDescriptorLimit(mostDescriptors)
  dropRights()
  const env = { TTRPC_ADDRESS: eventsAddress }
  const daemon = spawnSelf('serve', flags, {
    bundle,
    cwd: bundle,
    env,
    stdio: ['ignore', log, log, listener],
  })
  // Our child: its pid is not reused until we have waited for it.
  writeShimProcess(bundle, processRef(daemon.pid)!)
  daemon.unref()
  closeSync(log)
}

/** containerd keeps `log` as a FIFO in the bundle and copies it to its own log; without one we keep a file. */
function openLog(bundle: string): number {
  const fifo = bundleFile(bundle, 'logFifo')
  return existsSync(fifo)
    ? openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
    : openSync(
        bundleFile(bundle, 'shimLog'),
        constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
        0o600,
      )
}
