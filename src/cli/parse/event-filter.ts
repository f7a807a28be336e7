/** `events --filter KEY=VALUE`, docker's filters. */
import { KataError } from '../../errors.ts'
import type { HostEvent } from '../../sandbox/records/event-log.ts'

const holds = {
  container: ({ type, id }: HostEvent, value: string) => type === 'container' && id === value,
  volume: ({ type, id }: HostEvent, value: string) => type === 'volume' && id === value,
  image({ type, id, attributes }: HostEvent, value: string) {
    return (type === 'image' ? id : attributes.image) === value
  },
  type: ({ type }: HostEvent, value: string) => type === value,
  // `exec_create: sh` and `health_status: healthy` are meant by what stands before the colon, too.
  event: ({ action }: HostEvent, value: string) => action === value || action.startsWith(`${value}:`),
  label({ attributes }: HostEvent, value: string) {
    const equals = value.indexOf('=')
    const name = equals < 0 ? value : value.slice(0, equals)
    return Object.hasOwn(attributes, name) && (equals < 0 || attributes[name] === value.slice(equals + 1))
  },
} as const
type FilterName = keyof typeof holds

/** Whether an event passes all filters. Of those of one name any may hold, but for labels, all of which have to. @throws KataError OPTION_INVALID. */
export function parseEventFilters(options: readonly string[]): (event: HostEvent) => boolean {
  const values = new Map<FilterName, string[]>()
  for (const option of options) {
    const equals = option.indexOf('=')
    const name = Object.keys(holds).find((known) => known === option.slice(0, equals)) as FilterName
    const value = option.slice(equals + 1)
    if (name === undefined || value === '')
      throw new KataError('OPTION_INVALID', {
        option: '--filter',
        value: option,
        allowed: Object.keys(holds)
          .map((known) => `${known}=...`)
          .join(', '),
      })
    values.set(name, [...(values.get(name) ?? []), value])
  }
  return (event) =>
    [...values].every(([name, wanted]) => {
      const isHeld = (value: string) => holds[name](event, value)
      return name === 'label' ? wanted.every(isHeld) : wanted.some(isHeld)
    })
}
