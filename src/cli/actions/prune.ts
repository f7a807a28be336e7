import { createInterface } from 'node:readline/promises'
import { KataError } from '../../errors.ts'
import { planPrune, prune as pruneStore, type Removal } from '../../images/store/remove-images.ts'
import { storePaths } from '../../images/store/store-paths.ts'
import { imageUsers } from '../client/image-users.ts'
import { mayStartAgain } from '../client/life/restarts.ts'
import { type ContainerRecord, listRecords, readRecords } from '../client/record.ts'
import { interruptible } from '../client/signals.ts'
import { observe } from '../client/status.ts'
import { wasSaved } from '../client/suspended.ts'
import type { PruneFlags } from '../commands/images.ts'
import { render } from '../output/format.ts'
import { byteSize } from '../output/size.ts'
import type { Settings } from '../settings.ts'
import { noteRemoved } from './images.ts'
import { rm } from './lifecycle/rm.ts'

/** Shows what goes, asks, and removes it. Containers go first, so that their images are unused then. */
export async function prune(settings: Settings, flags: PruneFlags): Promise<number> {
  const keepsImages = flags.keepImages === true
  if (keepsImages && flags.containers !== true)
    throw new KataError('OPTION_CONFLICT', {
      options: '--keep-images without --containers',
      reason: 'nothing is left to be removed',
      remedy: 'Add --containers, or omit it.',
    })
  const paths = storePaths(settings.stateDir)
  const kept = { keepsImages: flags.unnamed === true && flags.all !== true }
  const stopped = flags.containers === true ? await stoppedContainers(settings) : []
  if (flags.force !== true) {
    const users = imageUsers(settings.stateDir, new Set(stopped.map((id) => `${settings.namespace}/${id}`)))
    const plan = keepsImages ? nothing : await planPrune(paths, users, kept)
    if (stopped.length === 0 && isEmpty(plan)) return report(settings, stopped, plan)
    settings.tell(`this removes:\n${describe(stopped, plan)}`)
    if (!(await saidYes())) throw new KataError('PRUNE_UNCONFIRMED', {})
  }
  const code =
    stopped.length === 0 ? 0 : await rm({ ...settings, print: () => true }, { force: false }, stopped)
  const removed = keepsImages ? nothing : await pruneStore(paths, () => imageUsers(settings.stateDir), kept)
  for (const image of removed.images) noteRemoved(settings, image)
  // Another command may have one in hand, which was told.
  const left = new Set(listRecords(settings.stateDir, settings.namespace))
  const gone = stopped.filter((id) => !left.has(id))
  report(settings, gone, removed)
  return code
}

/** Containers that were never started, or that ended normally; `gc` handles what a crash left. */
async function stoppedContainers(settings: Settings): Promise<string[]> {
  const { stateDir, namespace } = settings
  const all = await Promise.all(
    readRecords(stateDir, namespace).map(async (record) =>
      (await isPrunable(settings, record)) ? [record.id] : [],
    ),
  )
  return all.flat()
}

/** Whether the container was never started, or has ended in order and stays so. */
export async function isPrunable(settings: Settings, record: ContainerRecord): Promise<boolean> {
  const { status, held } = await observe(record)
  // One that a shim has is about to be started.
  if (status === 'created') return !held
  return status === 'stopped' && !wasSaved(settings, record) && !(held && mayStartAgain(record))
}

/** No images to remove. */
const nothing: Removal = { images: [], layers: [], files: [], bytes: 0 }

const isEmpty = ({ images, layers, files }: Removal): boolean =>
  images.length + layers.length + files.length === 0

function report(settings: Settings, containers: readonly string[], removed: Removal): number {
  const { images, layers, bytes } = removed
  settings.print(
    render(settings.format, { containers, images, layers, bytes }, () =>
      containers.length === 0 && isEmpty(removed)
        ? 'nothing to remove\n'
        : `${describe(containers, removed)}${byteSize(bytes)} are free again\n`,
    ),
  )
  return 0
}

function describe(containers: readonly string[], removal: Removal): string {
  const { images, layers, files, bytes } = removal
  const store = `  ${layers.length} unpacked layers and ${files.length} files, ${byteSize(bytes)}\n`
  return [
    ...containers.map((id) => `  container ${id}\n`),
    ...images.map((name) => `  image ${name}\n`),
    ...(isEmpty(removal) ? [] : [store]),
  ].join('')
}

async function saidYes(): Promise<boolean> {
  if (!process.stdin.isTTY) return false
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await interruptible(async (signal) =>
      /^y(es)?$/i.test(await lines.question('Go on? [y/N] ', { signal })),
    )
  } finally {
    lines.close()
  }
}
