import { expect, test } from 'bun:test'
import type { HostEvent } from '../../sandbox/records/event-log.ts'
import { parseEventFilters } from './event-filter.ts'

const event = (action: string, changes: Partial<HostEvent> = {}): HostEvent => ({
  at: 1,
  type: 'container',
  action,
  namespace: 'default',
  id: 'web',
  attributes: { image: 'busybox', tier: 'x' },
  ...changes,
})
const events = [
  event('start'),
  event('health_status: healthy'),
  event('die', { id: 'db', attributes: { image: 'pg' } }),
  event('pull', { type: 'image', id: 'busybox', attributes: {} }),
]

test.each([
  [[], ['start', 'health_status: healthy', 'die', 'pull']],
  [['container=web'], ['start', 'health_status: healthy']],
  [
    ['event=start', 'event=die'],
    ['start', 'die'],
  ],
  [['event=health_status'], ['health_status: healthy']],
  [['image=busybox'], ['start', 'health_status: healthy', 'pull']],
  [['type=image'], ['pull']],
  [['label=tier=x', 'event=start'], ['start']],
  [
    ['label=tier=x', 'label=image'],
    ['start', 'health_status: healthy'],
  ],
  [['label=tier=x', 'label=none'], []],
  [['label=toString'], []],
])('%j passes %j', (filters, actions) => {
  expect(events.filter(parseEventFilters(filters)).map(({ action }) => action)).toEqual(actions)
})

test.each(['', 'event', 'event=', 'daemon=x'])('%j is refused', (filter) => {
  expect(() => parseEventFilters([filter])).toThrow('[OPTION_INVALID] --filter')
})
