/** Paths in a container: where it begins, and where something is mounted. */
import { KataError } from '../../errors.ts'
import { normalPath } from '../../oci/normal-path.ts'

/** @throws KataError OPTION_INVALID. */
export function parseWorkdir(text: string): string {
  if (text.startsWith('/')) return text
  throw new KataError('OPTION_INVALID', {
    option: '--workdir',
    value: text,
    allowed: 'an absolute path in the container',
  })
}

/**
 * Where a volume is mounted, as a normalised path. `volume` is for messages. `source` is a path of the host's or a name; absent for what a
 * user asked the service for: his /dev is not shown as the machine's.
 *
 * @throws KataError VOLUME_INVALID.
 */
export function destinationOf(volume: string, destination: string, source?: string): string {
  const refuse = (reason: string) => new KataError('VOLUME_INVALID', { volume, reason })
  if (!destination.startsWith('/'))
    throw refuse(`the destination ${destination || '(empty)'} is not an absolute path`)
  const place = normalPath(destination)
  if (place === '/') throw refuse('the destination may not be /: use --rootfs for that')
  if (place === '/dev' && (source === undefined || normalPath(source) !== '/dev'))
    throw refuse(
      'it would hide the devices of the container, without which nothing starts: mount it below /dev',
    )
  return place
}

/** One thing on each place: the last one would hide the others. @throws KataError OPTION_CONFLICT. */
export function requirePlaces(mounts: readonly { readonly destination: string }[]): void {
  const places = mounts.map(({ destination }) => destination)
  const twice = places.find((place, index) => places.indexOf(place) !== index)
  if (twice === undefined) return
  throw new KataError('OPTION_CONFLICT', {
    options: `two mounts on ${JSON.stringify(twice)}`,
    reason: 'the last one would hide the others',
    remedy: 'Keep one of the options --volume, --mount and --tmpfs that name this path.',
  })
}
