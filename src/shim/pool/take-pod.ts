/** A shim that waited becomes that of a pod: its socket, its log, its environment. */
import { closeSync, rmSync } from 'node:fs'
import { bundleFile } from '../../bundle/files.ts'
import { openShimLog } from '../../bundle/shim-log.ts'
import { writeShimProcess } from '../../bundle/shim-process.ts'
import { isSameConfig } from '../../config/same-config.ts'
import { describeError } from '../../errors.ts'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { checked, libc } from '../../linux/libc.ts'
import { ownProcess } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { readSpecIfThere } from '../../oci/bundle.ts'
import { nameForPod, takeNameBack } from '../../sandbox/pool/adopt.ts'
import type { NewPod } from '../../sandbox/pool/adoption-socket.ts'
import type { WaitingMachine } from '../../sandbox/pool/waiting-machine.ts'
import { removeDeadSocket } from '../../sandbox/records/dead-socket.ts'
import { shimSocketPath } from '../../sandbox/records/paths.ts'
import { decideConfig } from '../daemon/create-sandbox.ts'
import type { ShimFlags } from '../flags.ts'
import { showAsStartedWith } from '../self.ts'
import { bindSocket } from '../shim-socket.ts'

export interface TakenPod {
  readonly flags: ShimFlags
  /** Listens at the socket of the pod's shim. */
  readonly listener: number
}

export interface Refusal {
  /** Why the pod is not for this machine. */
  readonly refused: string
  /** Some of what belongs to this process is the pod's: no other pod is to have it. */
  readonly isSpent?: boolean
}

/**
 * Takes the pod, or refuses it; then nothing of the pod's is taken, and nothing has changed unless the machine is spent. Without a pause: nobody
 * else is answered meanwhile. What only Create tells of the pod, and CreateSandbox even its annotations, is looked at there
 * (../../sandbox/pool/adopt.ts).
 */
export function takePod(
  pod: NewPod,
  machine: Pick<WaitingMachine, 'id' | 'config' | 'end' | 'paths' | 'pod'>,
  runDir: string,
): TakenPod | Refusal {
  if (machine.end.over.aborted) return { refused: 'the machine has ended' }
  // Whoever kills this process for want of an answer has it until then (../../sandbox/pool/pool.ts).
  using held = tryDirectoryLock(machine.paths.stateDir)
  if (held === undefined) return { refused: 'the machine is being ended' }
  let isSpent = false
  try {
    const { configPath: file, bundle, env } = pod
    const asked = decideConfig({ file, spec: readSpecIfThere(bundle) ?? {}, bundle, env }, silentLogger)
    if (!isSameConfig(machine.config, asked)) return { refused: 'the configuration of the pod is another' }
    const log = openShimLog(bundle)
    const socket = shimSocketPath(runDir, pod.namespace, pod.id)
    const before = process.cwd()
    try {
      const listener = bindSocket(runDir, socket, pod)
      try {
        process.chdir(bundle)
        takeName(machine, pod)
        try {
          const flags = flagsOf(pod, runDir)
          isSpent = true
          becomeShim(flags, pod.env, log)
          return { flags, listener }
        } catch (error) {
          takeNameBack(machine)
          rmSync(bundleFile(bundle, 'shimProcess'), { force: true })
          throw error
        }
      } catch (error) {
        process.chdir(before)
        closeSync(listener)
        removeDeadSocket(socket)
        throw error
      }
    } finally {
      closeSync(log)
    }
  } catch (error) {
    // `start` meets the same when it starts a shim of its own, and tells its client.
    return { refused: describeError(error), isSpent }
  }
}

/** The file comes first, for which a full disk may have no room: until it has its name the machine is nobody's. */
function takeName(machine: Parameters<typeof nameForPod>[0], pod: NewPod): void {
  writeShimProcess(pod.bundle, ownProcess())
  try {
    nameForPod(machine, pod)
  } catch (error) {
    rmSync(bundleFile(pod.bundle, 'shimProcess'))
    throw error
  }
}

/** What a shim that is started for the pod has from its parent, beyond that. */
function becomeShim(flags: ShimFlags, env: NewPod['env'], log: number): void {
  for (const stream of [1, 2]) checked(libc.dup2(log, stream), `dup2 of the log to ${stream}`)
  showAsStartedWith(flags)
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name]
  Object.assign(process.env, env)
}

function flagsOf(pod: NewPod, runDir: string): ShimFlags {
  const { namespace, id, address, publishBinary, bundle, debug } = pod
  return { action: 'serve', namespace, id, address, publishBinary, bundle, debug, runDir }
}
