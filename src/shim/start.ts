/**
 * `start`: binds the sandbox's socket, hands the listening descriptor to a detached copy of itself and prints the address at once.
 * The copy starts while the client connects; the backlog holds the connection.
 */
import { closeSync, existsSync, writeSync } from 'node:fs'
import { bundleFile } from '../bundle/files.ts'
import { openShimLog } from '../bundle/shim-log.ts'
import { writeShimProcess } from '../bundle/shim-process.ts'
import { KataError } from '../errors.ts'
import { replaceFile } from '../linux/files/replace-file.ts'
import { processRef } from '../linux/processes/proc.ts'
import { isListening } from '../linux/sockets/socket.ts'
import { podOf } from '../oci/annotations.ts'
import { readSpecIfThere } from '../oci/bundle.ts'
import { Options } from '../protocol/generated/containerd/runtime_options.ts'
import { defaultRunDir, poolName, shimSocketPath } from '../sandbox/records/paths.ts'
import { build } from '../version.ts'
import { type Bootstrap, parseBootstrap, readInput } from './bootstrap.ts'
import type { ShimFlags } from './flags.ts'
import { leaveDaemon } from './leave-daemon.ts'
import { writeRuntimeOptions } from './sandbox/runtime-options.ts'
import { ownEnvironment } from './self.ts'
import { bindSocket } from './shim-socket.ts'

/**
 * Prints the address of the shim for the bundle in `cwd`. It starts a shim, unless the bundle's container belongs to a pod that has one, or
 * a shim that waits with a machine takes the pod.
 *
 * @throws KataError POD_SHIM_GONE, SHIM_EXISTS.
 */
export async function start(flags: ShimFlags, cwd: string): Promise<number> {
  const runDir = flags.runDir ?? defaultRunDir
  const bootstrap = parseBootstrap(readInput(), flags, process.env)
  // containerd makes no specification for a sandbox of the Sandbox service. A task without one fails at Create.
  const spec = readSpecIfThere(cwd)
  const sandboxId = (spec && podOf(spec)) ?? flags.id
  const socketPath = shimSocketPath(runDir, flags.namespace, sandboxId)
  const address = `unix://${socketPath}`
  if (sandboxId === flags.id) {
    if (bootstrap.options !== undefined) writeRuntimeOptions(cwd, bootstrap.options)
    const own = { ...flags, debug: bootstrap.debug }
    if (!(await takenByPool(runDir, own, cwd, bootstrap))) {
      const listener = bindSocket(runDir, socketPath, flags)
      spawnDaemon(own, cwd, listener, bootstrap.eventsAddress)
      closeSync(listener)
    }
  } else if (!isListening(socketPath)) {
    throw new KataError('POD_SHIM_GONE', { id: flags.id, pod: sandboxId })
  }
  // containerd reads this file when it restarts; without it the task would be lost.
  replaceFile(bundleFile(cwd, 'address'), address)
  writeSync(1, bootstrap.answer(address))
  return 0
}

/** Offers the pod to the pool: true when the shim of a waiting machine serves it. Without a pool, this costs one look at the run directory. */
async function takenByPool(
  runDir: string,
  { namespace, id, address, publishBinary, debug }: ShimFlags,
  bundle: string,
  { options, eventsAddress }: Bootstrap,
): Promise<boolean> {
  if (!existsSync(`${runDir}/${poolName}`)) return false
  const { takeWaiting } = await import('../sandbox/pool/take-waiting.ts')
  const configPath = options === undefined ? '' : Options.decode(options.value).configPath
  const env = { ...ownEnvironment(), TTRPC_ADDRESS: eventsAddress }
  const pod = { build, namespace, id, address, publishBinary, bundle, debug, configPath, env }
  return takeWaiting(runDir, pod)
}

/** Starts the daemon on the bound socket. */
function spawnDaemon(flags: ShimFlags, bundle: string, listener: number, eventsAddress: string): void {
  const log = openShimLog(bundle)
  const env = { TTRPC_ADDRESS: eventsAddress }
  const daemon = leaveDaemon('serve', flags, {
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
