import { KataError } from '../../errors.ts'
import { parseImageName, shortName } from '../../images/names/image-name.ts'
import { listImages, type StoredImage } from '../../images/store/image-store.ts'
import { removeImage } from '../../images/store/remove-images.ts'
import { storePaths } from '../../images/store/store-paths.ts'
import { appendEvent } from '../../sandbox/records/event-log.ts'
import { imageUsers } from '../client/image-users.ts'
import { type PullFlags, pull } from '../client/pull.ts'
import type { ImagesFlags } from '../commands/images.ts'
import { longDuration, shortDuration } from '../output/duration.ts'
import { render } from '../output/format.ts'
import { byteSize } from '../output/size.ts'
import { table } from '../output/table.ts'
import { compileRows } from '../output/template/rows.ts'
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

/** `only`: one repository, or one name. */
export async function images(settings: Settings, flags: ImagesFlags, only?: string): Promise<number> {
  const { quiet, digests, trunc, filter = [] } = flags
  const rows =
    settings.template === undefined
      ? undefined
      : compileRows(settings.template, { titles: imageTitles, usual: usualColumns })
  const wanted = [...(only === undefined ? [] : [only]), ...filter.map(referenceOf)]
  const all = (await listImages(storePaths(settings.stateDir)))
    .filter(({ name }) => wanted.length === 0 || wanted.some((text) => isNamed(name, text)))
    .map(listed)
  for (const { name, damage } of all)
    if (damage !== undefined)
      settings.tell(`warning: ${name} is damaged; remove it with \`kata-ts rmi ${name}\`: ${damage}`)
  settings.print(
    render(settings.format, all, (list) =>
      quiet
        ? idsOf(list, trunc)
        : (rows?.(list.map((image) => imageRow(image, { now: Date.now(), trunc }))) ??
          asTable(list, { withDigests: digests === true, trunc, now: Date.now() })),
    ),
  )
  return 0
}

/** One after the other: each has the store for itself. */
export async function rmi(settings: Settings, force: boolean, names: readonly string[]): Promise<number> {
  let before: Promise<unknown> = Promise.resolve()
  return forEachName(
    settings,
    names,
    (name) => {
      const removal = before.then(() =>
        removeImage(storePaths(settings.stateDir), name, {
          force,
          users: () => imageUsers(settings.stateDir),
        }),
      )
      before = removal.catch(() => {})
      return removal.then(() => noteRemoved(settings, name))
    },
    { mayBeMissing: force },
  )
}

/** Notes that an image was removed. */
export const noteRemoved = ({ stateDir }: Settings, id: string): void =>
  appendEvent(stateDir, { type: 'image', action: 'delete', namespace: '', id, attributes: {} })

function listed({ name, id, digest, created, pulledAt, bytes, damage }: StoredImage): Listed {
  return { name, id, digest, created, pulledAt, bytes, ...(damage !== undefined && { damage }) }
}

/** `busybox` is every image of that repository; as with docker, a part of a name is none. */
function isNamed(name: string, text: string): boolean {
  const image = parseImageName(name)
  const asked = parseImageName(text)
  const hasTag = asked.digest !== undefined || /:[^/:]*$/.test(text)
  return hasTag
    ? image.full === asked.full
    : image.registry === asked.registry && image.repository === asked.repository
}

/** @throws KataError OPTION_INVALID. */
function referenceOf(filter: string): string {
  const [, name] = /^reference=([^*?[]+)$/.exec(filter) ?? []
  if (name === undefined)
    throw new KataError('OPTION_INVALID', {
      option: '--filter',
      value: filter,
      allowed: 'reference=NAME[:TAG], without patterns',
    })
  return name
}

function idsOf(list: readonly Listed[], trunc: boolean): string {
  const whole = list.filter(({ damage }) => damage === undefined)
  return [...new Set(whole.map(({ id }) => `${idFor(id, trunc)}\n`))].join('')
}

const idFor = (id: string, trunc: boolean): string =>
  trunc ? id.slice('sha256:'.length, 'sha256:'.length + 12) : id

/** A row of `docker images`. */
function imageRow(
  { name, id, digest, created, bytes }: Listed,
  { now, trunc }: { now: number; trunc: boolean },
) {
  const parsed = parseImageName(name)
  return {
    ID: idFor(id, trunc),
    Repository: shortName(parsed),
    Tag: parsed.tag ?? '<none>',
    Digest: digest,
    CreatedAt: created ?? '',
    CreatedSince: created === null ? '' : `${longDuration(now - Date.parse(created))} ago`,
    Size: byteSize(bytes),
  }
}

const usualColumns = '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}'
const imageTitles: Readonly<Record<keyof ReturnType<typeof imageRow>, string>> = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedAt: 'CREATED AT',
  CreatedSince: 'CREATED',
  Size: 'SIZE',
}

function asTable(
  list: readonly Listed[],
  { withDigests, trunc, now }: { withDigests: boolean; trunc: boolean; now: number },
): string {
  const rows = list.map(({ name, id, digest, created, bytes, damage }) => {
    const parsed = parseImageName(name)
    return [
      ...[shortName(parsed), parsed.tag ?? '-', ...(withDigests ? [digest] : [])],
      damage === undefined ? idFor(id, trunc) : 'damaged',
      ...[created === null ? '-' : shortDuration(now - Date.parse(created)), byteSize(bytes)],
    ]
  })
  return table(['REPOSITORY', 'TAG', ...(withDigests ? ['DIGEST'] : []), 'IMAGE ID', 'AGE', 'SIZE'], rows)
}
