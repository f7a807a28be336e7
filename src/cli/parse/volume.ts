/** `-v SRC:DST[:ro|rw]`: a host path shown in the container. */
import { existsSync, realpathSync } from 'node:fs'
import { posix } from 'node:path'
import { KataError } from '../../errors.ts'

export interface Volume {
  /** Absolute host path with symlinks resolved, so that the runtime mounts what was looked at. */
  readonly source: string
  /** Absolute, normalised path in the container; never `/`. */
  readonly destination: string
  readonly readonly: boolean
}

/** Reads one volume option. @throws KataError VOLUME_INVALID, VOLUME_SOURCE_MISSING. */
export function parseVolume(text: string): Volume {
  const refuse = (reason: string): never => {
    throw new KataError('VOLUME_INVALID', { volume: text, reason })
  }
  const parts = text.split(':')
  if (parts.length < 2 || parts.length > 3) refuse('it needs the form SRC:DST or SRC:DST:ro')
  const [source = '', destination = '', mode = 'rw'] = parts
  if (!source.startsWith('/')) refuse(`the source ${source || '(empty)'} is not an absolute path`)
  if (!destination.startsWith('/'))
    refuse(`the destination ${destination || '(empty)'} is not an absolute path`)
  if (mode !== 'ro' && mode !== 'rw') refuse(`the mode ${mode || '(empty)'} is neither ro nor rw`)
  const normal = posix.normalize(destination).replace(/(?<=.)\/$/, '')
  if (normal === '/') refuse('the destination may not be /: use --rootfs for that')
  if (!existsSync(source)) throw new KataError('VOLUME_SOURCE_MISSING', { source, volume: text })
  return { source: realpathSync(source), destination: normal, readonly: mode === 'ro' }
}
