import { KataError } from '../../errors.ts'
import { plainJson } from '../../plain-text.ts'
import { interruptible } from '../client/signals.ts'
import {
  createVolume,
  listVolumes,
  type NamedVolume,
  readVolume,
  removeUnfinished,
  removeVolume,
  volumePaths,
} from '../client/volumes/store.ts'
import { certainUses, volumeUses } from '../client/volumes/uses.ts'
import type { VolumeFlags } from '../commands/volume.ts'
import { tellError } from '../explain.ts'
import { render } from '../output/format.ts'
import { table } from '../output/table.ts'
import { asMap, compileEach, compileRows } from '../output/template/rows.ts'
import { labelsText, parseLabels } from '../parse/labels.ts'
import { generateName } from '../parse/name.ts'
import type { Settings } from '../settings.ts'
import { confirmed } from './confirm.ts'
import { forEachName } from './containers.ts'

interface ShownVolume extends NamedVolume {
  readonly namespace: string
  /** The directory of its files, on the host. */
  readonly mountpoint: string
  readonly containers: readonly string[]
}

export async function create(
  settings: Settings,
  flags: VolumeFlags,
  [name = generateName()]: readonly string[],
): Promise<number> {
  createVolume(settings, name, parseLabels(flags.label ?? []))
  settings.print(settings.format === 'json' ? `${JSON.stringify({ name })}\n` : `${name}\n`)
  return 0
}

const volumeTitles = {
  Name: 'VOLUME NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Mountpoint: 'MOUNTPOINT',
  Labels: 'LABELS',
}

/** A row of `docker volume ls`. */
const volumeRow = ({ name, mountpoint, labels }: ShownVolume): Record<keyof typeof volumeTitles, string> => ({
  Name: name,
  Driver: 'local',
  Scope: 'local',
  Mountpoint: mountpoint,
  Labels: labelsText(labels),
})

export async function ls(settings: Settings, { quiet }: VolumeFlags): Promise<number> {
  const template =
    settings.template === undefined
      ? undefined
      : compileRows(settings.template, { titles: volumeTitles, usual: '{{.Driver}}\t{{.Name}}' })
  const all = listVolumes(settings).flatMap((name) => {
    try {
      return [shown(settings, name)]
    } catch (error) {
      tellError(settings, error)
      return []
    }
  })
  const rows = all.map(({ name, createdAt, containers }) => [name, createdAt, containers.join(',') || '-'])
  settings.print(
    render(settings.format, all, () =>
      quiet
        ? all.map(({ name }) => `${name}\n`).join('')
        : (template?.(all.map(volumeRow)) ?? table(['NAME', 'CREATED', 'CONTAINERS'], rows)),
    ),
  )
  return 0
}

/** A volume in docker's fields, for templates of `inspect`. */
const dockerVolume = ({ name, createdAt, mountpoint, labels }: ShownVolume) => ({
  ...{ Name: name, Driver: 'local', Scope: 'local', Mountpoint: mountpoint, CreatedAt: createdAt },
  ...{ Labels: asMap(labels), Options: asMap({}) },
})

export async function inspect(
  settings: Settings,
  _flags: VolumeFlags,
  names: readonly string[],
): Promise<number> {
  const template = settings.template === undefined ? undefined : compileEach(settings.template)
  const found: ShownVolume[] = []
  for (const name of names) {
    try {
      found.push(shown(settings, name))
    } catch (error) {
      tellError(settings, error)
    }
  }
  settings.print(template ? found.map(dockerVolume).map(template).join('') : `${plainJson(found, 2)}\n`)
  return found.length === names.length ? 0 : 1
}

export async function rm(
  settings: Settings,
  { force }: VolumeFlags,
  names: readonly string[],
): Promise<number> {
  return interruptible((signal) =>
    forEachName(settings, names, async (name) => {
      const containers = certainUses(settings).get(volumePaths(settings, name).data)
      if (containers !== undefined)
        throw new KataError('VOLUME_IN_USE', { name, containers: containers.join(', ') })
      await removeVolume(settings, name, signal).catch((error) => {
        if (!(force && error instanceof KataError && error.code === 'VOLUME_NOT_FOUND')) throw error
      })
    }),
  )
}

const mostNames = 5
const namesOf = (names: readonly string[]): string =>
  [...names.slice(0, mostNames), ...(names.length > mostNames ? ['...'] : [])].join(', ')

/** Docker's leaves volumes with names unless it is given --all, and here every volume has one. */
export async function prune(settings: Settings, { force, all }: VolumeFlags): Promise<number> {
  const unused = unusedVolumes(settings)
  if (all !== true) {
    await interruptible((signal) => removeUnfinished(settings, signal))
    if (unused.length > 0)
      settings.tell(
        `volumes with names stay (${namesOf(unused)}): \`kata-ts volume prune --all\` removes those that no container has`,
      )
    return forEachName(settings, [], async () => {})
  }
  if (
    unused.length > 0 &&
    force !== true &&
    !(await confirmed('volume prune', 'these volumes with their files', unused))
  )
    return 1
  return interruptible(async (signal) => {
    await removeUnfinished(settings, signal)
    // A container may have got one meanwhile; the person may have thought about it for long.
    const still = new Set(unusedVolumes(settings))
    const going = unused.filter((name) => still.has(name))
    return forEachName(settings, going, (name) => removeVolume(settings, name, signal))
  })
}

/** @throws KataError RECORD_UNREADABLE. */
function unusedVolumes(settings: Settings): string[] {
  const uses = certainUses(settings)
  return listVolumes(settings).filter((name) => !uses.has(volumePaths(settings, name).data))
}

function shown(settings: Settings, name: string): ShownVolume {
  const { data } = volumePaths(settings, name)
  const containers = volumeUses(settings).get(data) ?? []
  return { ...readVolume(settings, name), namespace: settings.namespace, mountpoint: data, containers }
}
