import { mkdirSync } from 'node:fs'
import { forgetsAtEnd } from '../../bundle/forgotten-exec.ts'
import { KataError } from '../../errors.ts'
import { userInImage } from '../../images/account-files.ts'
import { readBundleSpec } from '../../oci/bundle.ts'
import { attach, callerWindow, requireTerminal } from '../client/attach.ts'
import { isExternal, pathsOf } from '../client/external.ts'
import { type ContainerRecord, recordPaths } from '../client/record.ts'
import { catchSignals } from '../client/signals.ts'
import { processSpec } from '../client/spec.ts'
import { attachStreams } from '../client/streams.ts'
import type { TaskClient } from '../client/task.ts'
import type { ExecFlags } from '../commands/exec.ts'
import { exitCodeOf } from '../exit-code.ts'
import { tellError } from '../explain.ts'
import { defaultDetachKeys, parseDetachKeys } from '../parse/detach-keys.ts'
import { envWishesOf } from '../parse/env-file.ts'
import { checkName } from '../parse/name.ts'
import type { Settings } from '../settings.ts'
import { connectRunning, findRecord } from './containers.ts'

const processType = 'types.containerd.io/opencontainers/runtime-spec/1/Process'

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
    const spec = { typeUrl: processType, value: new TextEncoder().encode(JSON.stringify(process)) }
    if (detach) {
      await task.exec({ execId, terminal, spec })
      await startOrForget(task, execId)
      return 0
    }
    return await execAttached(settings, record, task, { execId, interactive, terminal, detachKeys, spec })
  } catch (error) {
    tellError(settings, error)
    return exitCodeOf(error)
  } finally {
    task?.close()
  }
}

/** The shim forgets what ends; what it does not let begin, because its container was paused meanwhile, would keep its id. */
async function startOrForget(task: TaskClient, execId: string): Promise<void> {
  try {
    await task.start(execId)
  } catch (error) {
    if (error instanceof KataError && error.code === 'TASK_STATE') await task.delete(execId).catch(() => {})
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

async function execAttached(
  settings: Settings,
  record: ContainerRecord,
  task: TaskClient,
  asked: {
    execId: string
    interactive: boolean
    terminal: boolean
    detachKeys: Uint8Array
    spec: { typeUrl: string; value: Uint8Array }
  },
): Promise<number> {
  const { execId, interactive, terminal, spec } = asked
  const { io } = pathsOf(settings, record)
  mkdirSync(io, { recursive: true, mode: 0o700 })
  const signals = catchSignals()
  const streams = attachStreams({
    directory: `${io}/exec-${crypto.randomUUID()}`,
    interactive,
    terminal,
    ...(interactive && terminal ? { detachKeys: asked.detachKeys } : {}),
    input: 0,
    output: 1,
    errors: 2,
  })
  try {
    // Who is interrupted before it is made starts nothing.
    await Promise.race([task.exec({ execId, terminal, spec, ...streams.uris }), signals.interrupted])
    const run = attach({
      task,
      id: record.id,
      execId,
      streams,
      signals,
      interactive,
      terminal,
      log: settings.log,
      tell: settings.tell,
    })
    const exitCode = await Promise.race([run, signals.interrupted])
    return exitCode ?? 0
  } finally {
    // The shim forgets the process: later, when it was left. When it died with its container there is nothing to forget.
    await task.delete(execId).catch((error) => settings.log.debug('exec not deleted', { error }))
    streams.close()
    signals.release()
  }
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
): Promise<object> {
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
