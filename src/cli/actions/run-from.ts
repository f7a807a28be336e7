/** `kata-ts run --from SNAPSHOT`: a new container that goes on with what ran in another one. */
import { resolve } from 'node:path'
import { type PublishedPort, readNetworkWishes } from '../../bundle/network.ts'
import { KataError } from '../../errors.ts'
import { requireTerminal } from '../client/attach.ts'
import { writtenDisk } from '../client/disk-root.ts'
import type { Startable } from '../client/life/session.ts'
import { takePorts } from '../client/networks/free-ports.ts'
import { prepareAgain } from '../client/prepare.ts'
import { type ContainerRecord, recordPaths } from '../client/record.ts'
import { type Attached, detach, runAttached } from '../client/run.ts'
import { interruptible } from '../client/signals.ts'
import { copyDisk, newContainer, orForget, recordedDisk } from '../client/snapshots/new-container.ts'
import { readSnapshot, type Snapshot } from '../client/snapshots/store.ts'
import type { RunFlags, RunWords } from '../commands/run.ts'
import { exitCodeOf } from '../exit-code.ts'
import { tellError } from '../explain.ts'
import { defaultDetachKeys, parseDetachKeys } from '../parse/detach-keys.ts'
import { checkName, generateName } from '../parse/name.ts'
import { parsePublish, splitWishes } from '../parse/publish.ts'
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
  'publish',
  // Whose variables `-e` passes on; it is refused itself.
  'callerEnv',
])

export async function runFromSnapshot(
  settings: Settings,
  flags: FromFlags,
  words: RunWords,
  attachedOf: () => Attached,
): Promise<number> {
  try {
    const snapshot = readSnapshot(settings, flags.from)
    refuseOthers(flags, words, snapshot)
    const ports = splitWishes(parsePublish(flags.publish ?? []))
    const detachKeys = parseDetachKeys(flags.detachKeys ?? defaultDetachKeys)
    const attached = attachedOf()
    const id = checkName(flags.name ?? generateName(), 'container')
    const { terminal, interactive = false } = snapshot.record
    const configFile = flags.config === undefined ? snapshot.record.configFile : resolve(flags.config)
    if (flags.detach === true) {
      await detach(settings, (signal) =>
        containerFrom(settings, snapshot, ports, { id, configFile, detached: true, signal }),
      )
      settings.print(settings.format === 'json' ? `${JSON.stringify({ id })}\n` : `${id}\n`)
      return 0
    }
    requireTerminal({ interactive, terminal })
    return await runAttached(settings, { id, terminal, interactive, detachKeys }, attached, (signal) =>
      containerFrom(settings, snapshot, ports, { id, configFile, detached: false, signal }),
    )
  } catch (error) {
    tellError(settings, error)
    return exitCodeOf(error)
  }
}

/** @throws KataError OPTION_CONFLICT. */
function refuseOthers(flags: FromFlags, { args }: RunWords, { bundle }: Snapshot): void {
  const hasNone = flags.network === 'none' && readNetworkWishes(bundle) === undefined
  // Without --no-healthcheck it is true.
  const says = (name: string) =>
    !(name === 'healthcheck' && flags.healthcheck) && !(name === 'network' && hasNone)
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
  { fixed, free }: ReturnType<typeof splitWishes>,
  {
    id,
    configFile,
    detached,
    signal,
  }: Pick<ContainerRecord, 'id' | 'configFile' | 'detached'> & { readonly signal: AbortSignal },
): Promise<Startable> {
  const { bundle } = snapshot
  const like = { record: { ...snapshot.record, configFile }, bundle }
  const claim = (found: readonly PublishedPort[] = []) =>
    newContainer(settings, like, id, { ports: [...fixed, ...found], signal })
  const record = await (free.length === 0
    ? claim()
    : takePorts(settings.stateDir, free, fixed, claim, signal))
  const { stateDir, namespace } = settings
  const { directory } = recordPaths(stateDir, namespace, id)
  const checkpoint = snapshot.directory
  return await orForget(settings, record, async () => {
    await interruptible((signal) => copyDisk(recordedDisk(snapshot), writtenDisk(directory), signal))
    return prepareAgain(settings, record, {
      isMonitor: false,
      changes: { detached },
      checkpoint,
      isNew: true,
    })
  })
}
