/** `kata-ts run --from SNAPSHOT`: a new container that goes on with what ran in another one. */
import { resolve } from 'node:path'
import { KataError } from '../../errors.ts'
import { checkpointFiles } from '../../sandbox/checkpoint/checkpoint-facts.ts'
import { requireTerminal } from '../client/attach.ts'
import { writtenDisk } from '../client/disk-root.ts'
import type { Startable } from '../client/life/session.ts'
import { type ContainerRecord, recordPaths, removeRecord } from '../client/record.ts'
import { type Attached, detach, prepareAgain, runAttached } from '../client/run.ts'
import { interruptible } from '../client/signals.ts'
import { copyDisk, newContainer } from '../client/snapshots/new-container.ts'
import { readSnapshot, type Snapshot } from '../client/snapshots/store.ts'
import type { RunFlags, RunWords } from '../commands/run.ts'
import { exitCodeOf } from '../exit-code.ts'
import { tellError } from '../explain.ts'
import { defaultDetachKeys, parseDetachKeys } from '../parse/detach-keys.ts'
import { checkName, generateName } from '../parse/name.ts'
import type { Settings } from '../settings.ts'

type FromFlags = RunFlags & { readonly from: string }

/** Options that do not say what runs, which the snapshot has decided. */
const allowed: ReadonlySet<string> = new Set([
  'from',
  'name',
  'config',
  'detach',
  'attach',
  'sigProxy',
  'detachKeys',
])

export async function runFromSnapshot(
  settings: Settings,
  flags: FromFlags,
  words: RunWords,
  attachedOf: () => Attached,
): Promise<number> {
  try {
    refuseOthers(flags, words)
    const detachKeys = parseDetachKeys(flags.detachKeys ?? defaultDetachKeys)
    const attached = attachedOf()
    const id = checkName(flags.name ?? generateName(), 'container')
    const snapshot = readSnapshot(settings, flags.from)
    const { terminal, interactive = false } = snapshot.record
    const configFile = flags.config === undefined ? snapshot.record.configFile : resolve(flags.config)
    if (flags.detach === true) {
      await detach(settings, () => containerFrom(settings, snapshot, { id, configFile, detached: true }))
      settings.print(settings.format === 'json' ? `${JSON.stringify({ id })}\n` : `${id}\n`)
      return 0
    }
    requireTerminal({ interactive, terminal })
    return await runAttached(settings, { id, terminal, interactive, detachKeys }, attached, () =>
      containerFrom(settings, snapshot, { id, configFile, detached: false }),
    )
  } catch (error) {
    tellError(settings, error)
    return exitCodeOf(error)
  }
}

/** @throws KataError OPTION_CONFLICT. */
function refuseOthers(flags: FromFlags, { args }: RunWords): void {
  // Without --no-healthcheck it is true. A machine that was saved has no network.
  const says = (name: string) =>
    !(name === 'healthcheck' && flags.healthcheck) && !(name === 'network' && flags.network === 'none')
  const other = Object.keys(flags).find((name) => !allowed.has(name) && says(name))
  if (other === undefined && args.length === 0) return
  const option = other?.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new KataError('OPTION_CONFLICT', {
    options: `--from and ${option === undefined ? 'an image or a command' : `--${option}`}`,
    reason: 'what runs in a snapshot goes on as it was',
    remedy: 'Omit one of them.',
  })
}

/** Its disk is a copy of the snapshot's; the saved machine is only read. */
async function containerFrom(
  settings: Settings,
  snapshot: Snapshot,
  { id, configFile, detached }: Pick<ContainerRecord, 'id' | 'configFile' | 'detached'>,
): Promise<Startable> {
  const { bundle } = snapshot
  const record = newContainer(settings, { record: { ...snapshot.record, configFile }, bundle }, id)
  const { stateDir, namespace } = settings
  const { directory } = recordPaths(stateDir, namespace, id)
  try {
    await interruptible((signal) =>
      copyDisk(`${snapshot.directory}/${checkpointFiles.disk}`, writtenDisk(directory), signal),
    )
  } catch (error) {
    await removeRecord(stateDir, namespace, id)
    throw error
  }
  const checkpoint = snapshot.directory
  return prepareAgain(settings, record, { isKeeper: false, changes: { detached }, checkpoint, isNew: true })
}
