/** Paths in a container: where it begins, and where something is mounted. */
import { KataError } from '../../errors.ts'

/** @throws KataError OPTION_INVALID. */
export function parseWorkdir(text: string): string {
  if (text.startsWith('/')) return text
  throw new KataError('OPTION_INVALID', {
    option: '--workdir',
    value: text,
    allowed: 'an absolute path in the container',
  })
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
