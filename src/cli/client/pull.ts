/** Gets an image from the store, or pulls it with progress on standard error. */
import { KataError } from '../../errors.ts'
import { parseImageName } from '../../images/names/image-name.ts'
import { parseImageSource } from '../../images/names/image-source.ts'
import { lookForImage, type StoredImage } from '../../images/store/image-store.ts'
import { pullImage } from '../../images/store/pull.ts'
import { storePaths } from '../../images/store/store-paths.ts'
import { appendEvent } from '../../sandbox/records/event-log.ts'
import { loadForPerson } from '../configuration.ts'
import { createPullProgress } from '../output/pull-progress.ts'
import { parseBoolean, parseChoice } from '../parse/number.ts'
import type { Settings } from '../settings.ts'
import { interruptible } from './signals.ts'

export interface PullFlags {
  readonly tlsVerify?: string
  readonly authfile?: string
  readonly config?: string
  readonly quiet?: true
}

/** @throws KataError PULL_* and the others of pullImage; Interrupted. */
export async function pull(settings: Settings, name: string, flags: PullFlags): Promise<StoredImage> {
  const source = parseImageSource(name)
  const image = source?.name ?? parseImageName(name)
  const tlsVerify = flags.tlsVerify === undefined || parseBoolean(flags.tlsVerify, '--tls-verify')
  const { runtime } = loadForPerson(settings, flags.config)
  const progress = createPullProgress(flags.quiet === true ? { write() {} } : process.stderr, name)
  try {
    const stored = await interruptible((signal) =>
      pullImage(storePaths(settings.stateDir), image, {
        source,
        tlsVerify,
        authFile: flags.authfile,
        env: settings.env,
        signal,
        limitBytes: runtime.imageStoreLimit * 2 ** 20,
        ...progress,
      }),
    )
    progress.done()
    appendEvent(settings.stateDir, {
      type: 'image',
      action: 'pull',
      namespace: '',
      id: stored.name,
      attributes: {},
    })
    return stored
  } catch (error) {
    progress.failed()
    throw error
  }
}

/** @throws KataError OPTION_INVALID. */
export const parsePullPolicy = (text: string) => parseChoice(text, '--pull', ['missing', 'always', 'never'])

/** Finds the image of a `run` in the store, or pulls it, as the policy `when` says. @throws as {@link pull}, and IMAGE_NOT_STORED. */
export async function storedOrPulled(
  settings: Settings,
  name: string,
  when: string | undefined,
  flags: PullFlags,
): Promise<StoredImage> {
  const policy = parsePullPolicy(when ?? 'missing')
  const known = parseImageSource(name)?.name.full ?? name
  const found = policy === 'always' ? undefined : await lookForImage(storePaths(settings.stateDir), known)
  if (found !== undefined) return found
  if (policy === 'never') throw new KataError('IMAGE_NOT_STORED', { name })
  return pull(settings, name, flags)
}
