/** `ps --filter KEY=VALUE`, docker's filters. */
import { KataError } from '../../errors.ts'
import type { Labels } from './labels.ts'
import { isNamed } from './name-pattern.ts'

/** What a filter looks at. */
export interface Filtered {
  readonly id: string
  readonly status: string
  readonly exitCode: number | null
  readonly labels: Labels
  readonly image: string
  readonly volumes: readonly string[]
  /** Null without a check. */
  readonly health: string | null
}

const names = ['label', 'name', 'id', 'status', 'exited', 'volume', 'ancestor', 'health'] as const
type FilterName = (typeof names)[number]

const states = [
  'creating',
  'created',
  'running',
  'paused',
  'restarting',
  'suspended',
  'stopped',
  'dead',
  'unresponsive',
]
const healths = ['starting', 'healthy', 'unhealthy', 'none']
/** Docker's word for ours. */
const synonyms: Readonly<Record<string, string>> = { exited: 'stopped' }

const holds: Readonly<Record<FilterName, (container: Filtered, value: string) => boolean>> = {
  label({ labels }, value) {
    const equals = value.indexOf('=')
    const name = equals < 0 ? value : value.slice(0, equals)
    return Object.hasOwn(labels, name) && (equals < 0 || labels[name] === value.slice(equals + 1))
  },
  // Docker's names have a slash before them, for a pattern.
  name: ({ id }, value) => isNamed(id, value) || isNamed(`/${id}`, value),
  id: ({ id }, value) => id.startsWith(value),
  volume: ({ volumes }, value) => volumes.includes(value),
  ancestor: ({ image }, value) => image === value || image === `${value}:latest`,
  status: ({ status }, value) => status === (synonyms[value] ?? value),
  health: ({ health }, value) => (health ?? 'none') === value,
  exited: ({ status, exitCode }, value) => status === 'stopped' && exitCode === Number(value),
}

/**
 * The part of docker's regular expressions that people use: no other is simple enough to end soon, whatever a name is. Anything else is
 * refused, as it would find nothing without a word. `isNamed` reads the same.
 */
const namePattern = /^\^?\/?(?:[A-Za-z0-9_-]|\\?\.|\.\*)*\$?$/
const mostGaps = 3
/** Some times as long as a name. */
const longestPattern = 256

const isNamePattern = (value: string): boolean =>
  value.length <= longestPattern && namePattern.test(value) && (value.match(/\.\*/g) ?? []).length <= mostGaps

/**
 * Whether a container passes all filters. Of filters of one name any may hold, but for labels, all of which have to.
 *
 * @throws KataError OPTION_INVALID.
 */
export function parseFilters(options: readonly string[]): (container: Filtered) => boolean {
  const values = new Map<FilterName, string[]>()
  for (const option of options) {
    const [name, value] = parseFilter(option)
    values.set(name, [...(values.get(name) ?? []), value])
  }
  return (container) =>
    [...values].every(([name, wanted]) =>
      name === 'label'
        ? wanted.every((value) => holds.label(container, value))
        : wanted.some((value) => holds[name](container, value)),
    )
}

function parseFilter(option: string): [FilterName, string] {
  const equals = option.indexOf('=')
  const name = names.find((known) => known === option.slice(0, equals))
  const value = option.slice(equals + 1)
  if (name === undefined || value === '')
    throw refused(option, `${names.map((known) => `${known}=...`).join(', ')}`)
  if (name === 'name' && !isNamePattern(value))
    throw refused(option, 'name=PART, or a pattern with ^, $, . and .* such as name=^web$')
  if (name === 'exited' && !/^\d{1,3}$/.test(value)) throw refused(option, 'exited=CODE')
  if (name === 'status' && !states.includes(synonyms[value] ?? value))
    throw refused(option, states.map((state) => `status=${state}`).join(', '))
  if (name === 'health' && !healths.includes(value))
    throw refused(option, healths.map((health) => `health=${health}`).join(', '))
  return [name, value]
}

function refused(value: string, allowed: string): KataError {
  return new KataError('OPTION_INVALID', { option: '--filter', value, allowed })
}
