/** `tag`, `history`, `save` and `load`: images of the store and their archives. */
import { parseImageName } from '../../../images/names/image-name.ts'
import { imageHistory } from '../../../images/store/history.ts'
import { loadImages } from '../../../images/store/load.ts'
import { savedImages } from '../../../images/store/save.ts'
import { storePaths } from '../../../images/store/store-paths.ts'
import { tagImage } from '../../../images/store/tag.ts'
import { windowSize } from '../../../linux/terminal.ts'
import { plainText } from '../../../plain-text.ts'
import { interruptible } from '../../client/signals.ts'
import type { HistoryFlags, LoadFlags } from '../../commands/image/archive.ts'
import { loadForPerson } from '../../configuration.ts'
import { shortDuration } from '../../output/duration.ts'
import { render } from '../../output/format.ts'
import { byteSize } from '../../output/size.ts'
import { table } from '../../output/table.ts'
import type { Settings } from '../../settings.ts'
import { writeTar } from './tar-output.ts'

export async function tag(settings: Settings, source: string, target: string): Promise<number> {
  await tagImage(storePaths(settings.stateDir), source, parseImageName(target))
  return 0
}

/** Longest part of a remark that leaves room for the command on a terminal, characters. */
const mostRemark = 24

export async function history(settings: Settings, flags: HistoryFlags, name: string): Promise<number> {
  const steps = await imageHistory(storePaths(settings.stateDir), name)
  const now = Date.now()
  const width = flags.trunc ? windowSize(1)?.columns : undefined
  const rows = steps.map(({ created, createdBy, bytes, comment }) => [
    created === null ? '-' : shortDuration(now - Date.parse(created)),
    ...[byteSize(bytes), plainText(comment, width && mostRemark) || '-', plainText(createdBy)],
  ])
  // The longest is the last, which is cut where a terminal has no room for it.
  const titles = ['AGE', 'SIZE', 'COMMENT', 'CREATED BY']
  settings.print(render(settings.format, steps, () => table(titles, rows, width)))
  return 0
}

export async function save(
  settings: Settings,
  output: string | undefined,
  names: readonly string[],
): Promise<number> {
  const paths = storePaths(settings.stateDir)
  await interruptible((signal) => writeTar(output, savedImages(paths, names, signal)))
  return 0
}

export async function load(settings: Settings, flags: LoadFlags): Promise<number> {
  const { input = '-', tag: name, config, quiet } = flags
  const { runtime } = loadForPerson(settings, config)
  const images = await interruptible((signal) =>
    loadImages(storePaths(settings.stateDir), input === '-' ? '/dev/stdin' : input, {
      tag: name,
      signal,
      limitBytes: runtime.imageStoreLimit * 2 ** 20,
      onStep: (image, step) => {
        if (quiet !== true) settings.tell(`${plainText(image)}: ${step} ...`)
      },
    }),
  )
  const names = images.map((image) => image.name)
  settings.print(
    render(settings.format, names, (list) => list.map((one) => `Loaded image: ${one}\n`).join('')),
  )
  return 0
}
