import { rmSync, writeFileSync } from 'node:fs'
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
      return runAttached(settings, plan, attachedOf(flags), () =>
        prepareNew(settings, plan, { detached: false }),
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
  let idFile: string | undefined
  // Before an image is pulled or a volume is made for nothing; empty until there is a container.
  const makeIdFile = () => {
    if (flags.cidfile === undefined) return
    writeFileSync(flags.cidfile, '', { flag: 'wx' })
    idFile = flags.cidfile
  }
  try {
    const plan = await planOf(settings, flags, words, makeIdFile)
    if (idFile !== undefined) writeFileSync(idFile, plan.id)
    return await work(plan)
  } catch (error) {
    // There is no such container.
    if (idFile !== undefined) rmSync(idFile, { force: true })
    tellError(settings, error)
    return exitCodeOf(error)
  }
}
