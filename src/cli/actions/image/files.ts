/** `diff` and `export`: the files of a container, running or not. */
import { changesOf } from '../../../images/changes.ts'
import { filesTar } from '../../../images/tree-tar.ts'
import { plainText } from '../../../plain-text.ts'
import { interruptible } from '../../client/signals.ts'
import { render } from '../../output/format.ts'
import type { Settings } from '../../settings.ts'
import { filesOf, readingFiles } from './container-files.ts'
import { writeTar } from './tar-output.ts'

export async function diff(settings: Settings, name: string): Promise<number> {
  const { layers, etc, isOfRun } = filesOf(settings, name, 'compared')
  const changes = await interruptible((signal) =>
    readingFiles(name, () =>
      Array.fromAsync(changesOf(layers, { signal, isLeftOut: isOfRun, ofRuntime: etc })),
    ),
  )
  changes.sort((a, b) => (a.path < b.path ? -1 : 1))
  settings.print(
    render(settings.format, changes, (list) =>
      list.map(({ kind, path }) => `${kind} ${plainText(path)}\n`).join(''),
    ),
  )
  return 0
}

export async function exportFiles(
  settings: Settings,
  name: string,
  output: string | undefined,
): Promise<number> {
  const { layers, isOfRun } = filesOf(settings, name, 'exported')
  await interruptible((signal) =>
    readingFiles(name, () => writeTar(output, filesTar(layers, { signal, isLeftOut: isOfRun }))),
  )
  return 0
}
