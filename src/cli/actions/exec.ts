import { forgetsAtEnd } from '../../bundle/forgotten-exec.ts'
import { KataError } from '../../errors.ts'
import { userInImage } from '../../images/account-files.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import type { OciProcess } from '../../oci/spec.ts'
import { callerWindow, requireTerminal } from '../client/attach.ts'
import { execSpec, withExec } from '../client/exec.ts'
import { isExternal, pathsOf } from '../client/external.ts'
import { type ContainerRecord, recordPaths } from '../client/record.ts'
import { catchSignals, Interrupted } from '../client/signals.ts'
import { processSpec } from '../client/spec.ts'
import type { TaskClient } from '../client/task.ts'
import type { ExecFlags } from '../commands/exec.ts'
import { exitCodeOf } from '../exit-code.ts'
import { tellError } from '../explain.ts'
import { defaultDetachKeys, parseDetachKeys } from '../parse/detach-keys.ts'
import { envWishesOf } from '../parse/env-file.ts'
import { checkName } from '../parse/name.ts'
import type { Settings } from '../settings.ts'
import { connectRunning, findRecord } from './containers.ts'

export async function exec(
  settings: Settings,
  flags: ExecFlags,
  name: string,
  args: readonly string[],
): Promise<number> {
  let task: TaskClient | undefined
  try {
    const { interactive = false, tty: terminal = false, detach = false } = flags
    const detachKeys = parseDetachKeys(flags.detachKeys ?? defaultDetachKeys)
    if (detach && interactive) throw detachedInput()
    requireTerminal({ interactive, terminal })
    const record = findRecord(settings, name)
    // Nobody comes back for what is left to itself.
    task = await connectRunning(record, ['running'], detach ? forgetsAtEnd : {})
    const execId = checkName(flags.execId ?? `exec-${crypto.randomUUID().slice(0, 8)}`, 'exec')
    const process = await wantedProcess(settings, record, flags, args)
    if (detach) {
      await startInBackground(task, { execId, terminal, spec: execSpec(process) })
      return 0
    }
    const keys = interactive && terminal ? { detachKeys } : {}
    const signals = catchSignals()
    try {
      const { id } = record
      const { io } = pathsOf(settings, record)
      const streams = { interactive, ...keys, input: 0, output: 1, errors: 2 }
      const request = { task, id, execId, process, io, streams, signals, settings }
      return (await withExec(request, (exited) => exited)) ?? 0
    } finally {
      signals.release()
    }
  } catch (error) {
    tellError(settings, error)
    return exitCodeOf(error)
  } finally {
    task?.close()
  }
}

/**
 * The shim forgets what ends. What does not begin would keep its id, after a signal before it is made, or when its container was paused meanwhile.
 * A second signal does not wait for the shim.
 *
 * @throws KataError what the shim answers; Interrupted.
 */
async function startInBackground(
  task: TaskClient,
  request: Parameters<TaskClient['exec']>[0] & { readonly execId: string },
): Promise<void> {
  const { execId } = request
  // Before the shim is asked.
  const signals = catchSignals()
  const made = task.exec(request)
  const forget = () => made.then(() => task.delete(execId)).catch(() => {})
  try {
    await Promise.race([made, signals.interrupted])
  } catch (error) {
    signals.release()
    if (error instanceof Interrupted) await forget()
    throw error
  }
  signals.release()
  try {
    await task.start(execId)
  } catch (error) {
    if (error instanceof KataError && error.code === 'TASK_STATE') await forget()
    throw error
  }
}

function detachedInput(): KataError {
  return new KataError('OPTION_CONFLICT', {
    options: '--detach and --interactive',
    reason: 'a detached process has no terminal to type at',
    remedy: 'Omit one of them.',
  })
}

/** Where the account files of a container are; those of other clients are not read, so their users are numbers. */
function layersOf({ stateDir, namespace }: Settings, record: ContainerRecord): string[] {
  if (isExternal(record)) return []
  // What is on a disk of the container's, the host does not read.
  if (record.disks !== undefined) return [...record.layers]
  return [`${recordPaths(stateDir, namespace, record.id).directory}/upper`, ...record.layers]
}

async function wantedProcess(
  settings: Settings,
  record: ContainerRecord,
  flags: ExecFlags,
  args: readonly string[],
): Promise<OciProcess> {
  const spec = readBundleSpec(pathsOf(settings, record).bundle)
  const { tty: terminal = false, user, workdir, privileged } = flags
  const env = envWishesOf(flags)
  const size = terminal ? await callerWindow() : undefined
  // Without a name: the container's user, as in docker.
  const account = user ? userInImage(layersOf(settings, record), user) : undefined
  return processSpec(
    spec.process ?? {},
    { args, terminal, size, env, user: account, workdir, privileged: privileged === true },
    flags.callerEnv === false ? {} : settings.env,
  )
}
