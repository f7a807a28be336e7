import { KataError } from '../../errors.ts'
import { isTerminal } from '../../linux/is-terminal.ts'
import { type ContainerTar, containerTar } from '../client/copy/container-tar.ts'
import { execTar } from '../client/copy/exec-tar.ts'
import { copyFrom, sendTar } from '../client/copy/from-container.ts'
import { copyTo, unpackIn } from '../client/copy/to-container.ts'
import { openStdout } from '../client/output.ts'
import { catchSignals } from '../client/signals.ts'
import { type CopyPath, parseCopy } from '../parse/copy-path.ts'
import type { Settings } from '../settings.ts'
import { connectRunning, findRecord } from './containers.ts'

/** The container needs `tar`: it reads and writes the files, with its own rights in its own mounts. */
export async function cp(settings: Settings, from: string, to: string): Promise<number> {
  const { source, destination } = parseCopy(from, to)
  if (source.where === 'container')
    await inContainer(settings, source.name, (tar) => outOf(tar, source.path, destination, settings.tell))
  else if (destination.where === 'container')
    await inContainer(settings, destination.name, (tar) => into(tar, source, destination.path))
  return 0
}

async function outOf(
  tar: ContainerTar,
  path: string,
  destination: CopyPath,
  tell: Settings['tell'],
): Promise<void> {
  if (destination.where !== 'host') {
    if (isTerminal(1)) throw new KataError('OUTPUT_TERMINAL', {})
    return sendTar(tar, path, openStdout())
  }
  const leftOut = await copyFrom(tar, path, destination.path)
  if (leftOut.length > 0) tell(`warning: ${leftOut.length} devices and FIFOs were not copied`)
}

async function into(tar: ContainerTar, source: CopyPath, path: string): Promise<void> {
  if (source.where === 'host') return copyTo(tar, source.path, path)
  return unpackIn(tar, path, Bun.file(0).stream())
}

async function inContainer(
  settings: Settings,
  name: string,
  work: (tar: ContainerTar) => Promise<void>,
): Promise<void> {
  // The files of a user who is not root are for his own rights; only tar in the container is the service's to run.
  if (process.getuid?.() !== 0) return work(execTar(settings, name))
  const record = findRecord(settings, name)
  const task = await connectRunning(record, ['running'])
  const signals = catchSignals()
  try {
    await work(containerTar({ settings, record, task, signals }))
  } finally {
    signals.release()
    task.close()
  }
}
