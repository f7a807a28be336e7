import { parseImageName, shortName } from '../../images/names/image-name.ts'
import { listImages, type StoredImage } from '../../images/store/image-store.ts'
import { removeImage } from '../../images/store/remove-images.ts'
import { storePaths } from '../../images/store/store-paths.ts'
import { appendEvent } from '../../sandbox/records/event-log.ts'
import { imageUsers } from '../client/image-users.ts'
import { type PullFlags, pull } from '../client/pull.ts'
import type { ImagesFlags } from '../commands/images.ts'
import { shortDuration } from '../output/duration.ts'
import { render } from '../output/format.ts'
import { byteSize } from '../output/size.ts'
import { table } from '../output/table.ts'
import type { Settings } from '../settings.ts'
import { forEachName } from './containers.ts'

/** One line of `images`. */
interface Listed {
  readonly name: string
  readonly id: string
  readonly digest: string
  readonly created: string | null
  readonly pulledAt: string
  readonly bytes: number
  readonly damage?: string
}

/** Prints the full name, as docker does. */
export async function pullOne(settings: Settings, flags: PullFlags, name: string): Promise<number> {
  const image = await pull(settings, name, flags)
  settings.print(render(settings.format, listed(image), (shown) => `${shown.name}\n`))
  return 0
}

export async function images(settings: Settings, { quiet, digests }: ImagesFlags): Promise<number> {
  const all = (await listImages(storePaths(settings.stateDir))).map(listed)
  for (const { name, damage } of all)
    if (damage !== undefined)
      settings.tell(`warning: ${name} is damaged; remove it with \`kata-ts rmi ${name}\`: ${damage}`)
  settings.print(
    render(settings.format, all, (list) =>
      quiet ? idsOf(list) : asTable(list, digests === true, Date.now()),
    ),
  )
  return 0
}

/** One after the other: each has the store for itself. */
export async function rmi(settings: Settings, force: boolean, names: readonly string[]): Promise<number> {
  let before: Promise<unknown> = Promise.resolve()
  return forEachName(settings, names, (name) => {
    const removal = before.then(() =>
      removeImage(storePaths(settings.stateDir), name, {
        ...{ force, users: () => imageUsers(settings.stateDir) },
      }),
    )
    before = removal.catch(() => {})
    return removal.then(() => noteRemoved(settings, name))
  })
}

/** Notes that an image was removed. */
export const noteRemoved = ({ stateDir }: Settings, id: string): void =>
  appendEvent(stateDir, { type: 'image', action: 'delete', namespace: '', id, attributes: {} })

function listed({ name, id, digest, created, pulledAt, bytes, damage }: StoredImage): Listed {
  return { name, id, digest, created, pulledAt, bytes, ...(damage !== undefined && { damage }) }
}

function idsOf(list: readonly Listed[]): string {
  const whole = list.filter(({ damage }) => damage === undefined)
  return [...new Set(whole.map(({ id }) => `${shortId(id)}\n`))].join('')
}

const shortId = (id: string): string => id.slice('sha256:'.length, 'sha256:'.length + 12)

function asTable(list: readonly Listed[], withDigests: boolean, now: number): string {
  const rows = list.map(({ name, id, digest, created, bytes, damage }) => {
    const parsed = parseImageName(name)
    return [
      ...[shortName(parsed), parsed.tag ?? '-', ...(withDigests ? [digest] : [])],
      damage === undefined ? shortId(id) : 'damaged',
      ...[created === null ? '-' : shortDuration(now - Date.parse(created)), byteSize(bytes)],
    ]
  })
  return table(['REPOSITORY', 'TAG', ...(withDigests ? ['DIGEST'] : []), 'IMAGE ID', 'AGE', 'SIZE'], rows)
}
