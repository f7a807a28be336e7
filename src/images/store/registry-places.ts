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
  { registry, repository }: Pick<ImageName, 'registry' | 'repository'>,
  directories: readonly string[] = usualDirectories,
): string[] {
  const own = `${registry}/${repository}`
  const others = directories.flatMap(registriesIn).flatMap((table) => placesIn(table, own))
  return [...new Set([own, ...others])]
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

/** The locations of one `[[registry]]` for a repository that it is about. */
function placesIn({ prefix, location, mirror }: Table, own: string): string[] {
  const rest = restBehind(text(prefix) || text(location), own)
  if (rest === undefined) return []
  return [location, ...tables(mirror).map((each) => each.location)]
    .map(text)
    .filter((place) => place !== '')
    .map((place) => `${place}${rest}`)
}

/** What a prefix leaves of a repository; undefined when it is about others. `*.example.org` is about the hosts below. */
function restBehind(prefix: string, own: string): string | undefined {
  if (prefix.startsWith('*.')) {
    const [host = ''] = own.split(/[:/]/, 1)
    return host.endsWith(prefix.slice(1)) ? own.slice(host.length) : undefined
  }
  return prefix !== '' && `${own}/`.startsWith(`${prefix}/`) ? own.slice(prefix.length) : undefined
}

/** Slashes behind it count for nothing, as with skopeo. */
const text = (value: unknown): string => (typeof value === 'string' ? value.replace(/\/+$/, '') : '')
const tables = (value: unknown): Table[] => (Array.isArray(value) ? value.filter(isTable) : [])
