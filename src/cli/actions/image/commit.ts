/** `commit` and `import`: an image of a container's changes, or of a tar. */
import { createReadStream } from 'node:fs'
import { KataError } from '../../../errors.ts'
import { openFileTar } from '../../../images/image-files.ts'
import { parseImageName } from '../../../images/names/image-name.ts'
import { lookForImage, type StoredImage } from '../../../images/store/image-store.ts'
import { makeImage, type NewImage } from '../../../images/store/new-image.ts'
import { storePaths } from '../../../images/store/store-paths.ts'
import { changesTar, filesTar } from '../../../images/tree-tar.ts'
import { readBundleSpec } from '../../../oci/bundle.ts'
import { recordPaths } from '../../client/record.ts'
import { interruptible } from '../../client/signals.ts'
import type { ChangeFlags, CommitFlags } from '../../commands/image/new-image.ts'
import { loadForPerson } from '../../configuration.ts'
import { parseBoolean } from '../../parse/number.ts'
import type { Settings } from '../../settings.ts'
import { filesOf, readingFiles, whilePaused } from './container-files.ts'

/** Its image's configuration stays, and `--change` changes it. Without an image in the store all of its files become one layer. */
export async function commit(
  settings: Settings,
  flags: CommitFlags,
  container: string,
  name: string,
): Promise<number> {
  const target = parseImageName(name).full
  const { record, layers, isOfRun } = filesOf(settings, container, 'committed')
  const paths = storePaths(settings.stateDir)
  const { imageId } = record
  const base = imageId === undefined ? undefined : await lookForImage(paths, imageId)
  const isPaused = flags.pause === undefined || parseBoolean(flags.pause, '--pause')
  const image = await interruptible((signal) => {
    const options = { signal, isLeftOut: isOfRun }
    const work = () =>
      readingFiles(container, () =>
        make(settings, flags, {
          signal,
          name: target,
          base: base?.id,
          config: configOf(settings, record),
          layer:
            base === undefined
              ? filesTar(layers, { ...options, asLayer: true })
              : changesTar(layers, options),
          history: historyOf(flags, record.command.join(' ')),
        }),
      )
    return isPaused ? whilePaused(settings, record, signal, work) : work()
  })
  return shown(settings, image)
}

/** `source`: a file, or - for standard input. */
export async function importTar(
  settings: Settings,
  flags: ChangeFlags,
  source: string,
  name: string,
): Promise<number> {
  const target = parseImageName(name).full
  const image = await interruptible(async (signal) => {
    using tar = await openFileTar(source === '-' ? '/dev/stdin' : source, settings.stateDir, signal)
    // Awaited: the tar would be closed before it is read.
    return await make(settings, flags, {
      signal,
      name: target,
      layer: createReadStream(tar.file),
      config: {},
      history: historyOf(flags, `import of ${source}`),
    })
  })
  return shown(settings, image)
}

type Making = Pick<NewImage, 'signal' | 'name' | 'base' | 'config' | 'layer' | 'history'>

function make(settings: Settings, flags: ChangeFlags, image: Making): Promise<StoredImage> {
  const { runtime } = loadForPerson(settings, flags.config)
  return makeImage(storePaths(settings.stateDir), {
    ...image,
    changes: flags.change ?? [],
    limitBytes: runtime.imageStoreLimit * 2 ** 20,
    onStep: () => {},
  })
}

const historyOf = ({ message, author }: CommitFlags, createdBy: string) => ({
  created_by: createdBy,
  ...(message === undefined ? {} : { comment: message }),
  ...(author === undefined ? {} : { author }),
})

/** How the container was run, for an image that has no other to begin with. */
function configOf(
  { stateDir }: Settings,
  record: { readonly namespace: string; readonly id: string; readonly command: readonly string[] },
) {
  const { bundle } = recordPaths(stateDir, record.namespace, record.id)
  const { process } = readBundleSpec(bundle)
  if (process === undefined)
    throw new KataError('CONTAINER_NOT_FOUND', { name: record.id, namespace: record.namespace })
  const { env = [], cwd, user } = process
  return { Cmd: record.command, Env: env, WorkingDir: cwd, User: `${user?.uid ?? 0}:${user?.gid ?? 0}` }
}

function shown(settings: Settings, { id, name }: StoredImage): number {
  settings.print(settings.format === 'json' ? `${JSON.stringify({ id, name })}\n` : `${id}\n`)
  return 0
}
