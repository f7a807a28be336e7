import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { identityAt, identityOf } from '../../linux/files/file-identity.ts'
import { atPath } from '../../linux/files/named-write.ts'
import type { ContainerPlan } from '../client/container-plan.ts'
import { prepareNew } from '../client/prepare.ts'
import { createOnly, runAttached, runDetached } from '../client/run.ts'
import type { RunFlags, RunWords } from '../commands/run.ts'
import { exitCodeOf } from '../exit-code.ts'
import { tellError } from '../explain.ts'
import type { Settings } from '../settings.ts'
import { runFromSnapshot } from './run-from.ts'
import { attachedOf } from './run-options.ts'
import { planOf } from './run-plan.ts'

/** The exit code is the command's own; 125, 126 and 127 are ours, as in docker. */
export function run(settings: Settings, flags: RunFlags, words: RunWords): Promise<number> {
  if (flags.from !== undefined)
    return runFromSnapshot(settings, { ...flags, from: flags.from }, words, () => attachedOf(flags))
  return withPlan(settings, flags, words, async (plan) => {
    if (flags.detach !== true)
      return runAttached(settings, plan, attachedOf(flags), (signal) =>
        prepareNew(settings, plan, { detached: false, signal }),
      )
    await runDetached(settings, plan)
    return printId(settings, plan)
  })
}

/** Makes the container, and no machine. */
export function create(settings: Settings, flags: RunFlags, words: RunWords): Promise<number> {
  // It runs in the background, unless `start --attach` says otherwise.
  return withPlan(settings, { ...flags, detach: true }, words, async (plan) => {
    await createOnly(settings, plan)
    return printId(settings, plan)
  })
}

function printId({ format, print }: Settings, { id }: ContainerPlan): number {
  print(format === 'json' ? `${JSON.stringify({ id })}\n` : `${id}\n`)
  return 0
}

async function withPlan(
  settings: Settings,
  flags: RunFlags,
  words: RunWords,
  work: (plan: ContainerPlan) => Promise<number>,
): Promise<number> {
  let idFile: IdFile | undefined
  try {
    // Before an image is pulled or a volume is made for nothing; empty until there is a container.
    const plan = await planOf(settings, flags, words, () => {
      if (flags.cidfile !== undefined) idFile = makeIdFile(flags.cidfile)
    })
    idFile?.write(plan.id)
    return await work(plan)
  } catch (error) {
    // There is no such container.
    idFile?.remove()
    tellError(settings, error)
    return exitCodeOf(error)
  }
}

interface IdFile {
  write(id: string): void
  /** Leaves alone what others have put in its place. */
  remove(): void
}

/**
 * Whose directory it lies in may replace it by a link at any time, and root would write to where that leads. Closed once it has the id: on NFS
 * that is when others see it, and the container may run for years.
 *
 * @throws an errno error.
 */
function makeIdFile(path: string): IdFile {
  const fd = openSync(path, 'wx')
  const made = identityOf(fd)
  let isOpen = true
  const close = () => {
    if (!isOpen) return
    isOpen = false
    closeSync(fd)
  }
  return {
    write(id) {
      atPath(path, () => writeFileSync(fd, id))
      close()
    },
    remove() {
      if (identityAt(path) === made) rmSync(path, { force: true })
      close()
    },
  }
}
