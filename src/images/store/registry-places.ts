/** Where an image's registry and its mirrors are, by containers-registries.conf(5), which skopeo reads. */

import { isTable, readTomlFile, type Table } from '../../config/files/toml-file.ts'
import { namesIn } from '../../linux/files/names-in.ts'
import type { ImageName } from '../names/image-name.ts'

/** A later one counts in addition; which of them skopeo takes is no matter here. */
const usualDirectories = ['/usr/share/containers', '/etc/containers']

/**
 * The image's repository, and each place that skopeo may look for it instead, as `HOST[:PORT]/PATH`. A file that cannot be read names none:
 * skopeo refuses it by its own words.
 */
export function repositoryPlaces(
  { registry, repository, full }: Pick<ImageName, 'registry' | 'repository' | 'full'>,
  directories: readonly string[] = usualDirectories,
): string[] {
  const others = directories.flatMap(registriesIn).flatMap((table) => placesIn(table, full))
  return [...new Set([`${registry}/${repository}`, ...others])]
}

function registriesIn(directory: string): Table[] {
  const dropIns = namesIn(`${directory}/registries.conf.d`).filter((name) => name.endsWith('.conf'))
  return ['registries.conf', ...dropIns.map((name) => `registries.conf.d/${name}`)].flatMap((name) => {
    try {
      return tables(readTomlFile(`${directory}/${name}`).root.registry)
    } catch {
      return []
    }
  })
}

/** The locations of one `[[registry]]` for an image that it is about. Tags and digests are part of what it compares and puts in place. */
function placesIn({ prefix, location, mirror }: Table, image: string): string[] {
  const rest = restBehind(text(prefix) || text(location), image)
  if (rest === undefined) return []
  return [location, ...tables(mirror).map((each) => each.location)]
    .map(text)
    .filter((place) => place !== '')
    .map((place) => repositoryOf(`${place}${rest}`))
}

/** What a prefix leaves of an image's name; undefined when it is about others. `*.example.org` is about the hosts below. */
function restBehind(prefix: string, image: string): string | undefined {
  if (prefix.startsWith('*.')) {
    const [host = ''] = image.split(/[:/]/, 1)
    return host.endsWith(prefix.slice(1)) ? image.slice(host.length) : undefined
  }
  if (prefix === '' || !image.startsWith(prefix)) return undefined
  const rest = image.slice(prefix.length)
  // A colon begins a tag, or the hexadecimal part of a digest; before a path it would begin a port.
  return /^([/@]|:[^/]*$|$)/.test(rest) ? rest : undefined
}

/** Without its tag and digest. A colon of the host is that of a port. */
const repositoryOf = (image: string): string => image.replace(/(\/[^/:@]*)(:[^/@]*)?(@.*)?$/, '$1')

/** Slashes behind it count for nothing, as with skopeo. */
const text = (value: unknown): string => (typeof value === 'string' ? value.replace(/\/+$/, '') : '')
const tables = (value: unknown): Table[] => (Array.isArray(value) ? value.filter(isTable) : [])
