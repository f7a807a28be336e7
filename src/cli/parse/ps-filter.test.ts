import { expect, test } from 'bun:test'
import { parseFilters } from './ps-filter.ts'

const of = (image: string, ...volumes: string[]) => ({
  image,
  volumes,
  health: volumes.includes('logs') ? 'healthy' : null,
})

const containers = [
  { id: 'web-1', status: 'running', exitCode: null, labels: { tier: 'web', live: '' }, ...of('busybox') },
  { id: 'web-2', status: 'stopped', exitCode: 0, labels: { tier: 'web' }, ...of('busybox:latest', 'data') },
  {
    id: 'db',
    status: 'stopped',
    exitCode: 137,
    labels: { tier: 'db', live: '' },
    ...of('/srv/db.tar', 'data', 'logs'),
  },
]

test.each([
  [[], ['web-1', 'web-2', 'db']],
  [['label=tier=web'], ['web-1', 'web-2']],
  [['label=tier=web', 'label=live'], ['web-1']],
  [['label=toString'], []],
  [['name=web'], ['web-1', 'web-2']],
  [
    ['name=db', 'name=1'],
    ['web-1', 'db'],
  ],
  [['name=^db$'], ['db']],
  [['name=^/web-1$'], ['web-1']],
  [['name=^web$'], []],
  [['name=^w.*2$'], ['web-2']],
  [['name=eb.1'], ['web-1']],
  [
    ['name=-2$', 'name=^d'],
    ['web-2', 'db'],
  ],
  [['status=exited', 'label=live'], ['db']],
  [['status=stopped', 'exited=0'], ['web-2']],
  [['id=web'], ['web-1', 'web-2']],
  [['id=eb'], []],
  [['volume=data'], ['web-2', 'db']],
  [['ancestor=busybox'], ['web-1', 'web-2']],
  [['health=healthy'], ['db']],
  [['health=none'], ['web-1', 'web-2']],
])('%j passes %j', (filters, ids) => {
  expect(containers.filter(parseFilters(filters)).map(({ id }) => id)).toEqual(ids)
})

test.each([
  ...['', 'label', 'label=', 'since=x', 'status=sleeping', 'exited=x', 'health=good'],
  ...['name=(a+)+$', 'name=a|b', 'name=[ab]', 'name=.*.*.*.*x', `name=${'a'.repeat(257)}`],
])('%j is refused', (filter) => {
  expect(() => parseFilters([filter])).toThrow('[OPTION_INVALID] --filter')
})
