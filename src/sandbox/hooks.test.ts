import { expect, test } from 'bun:test'
import type { Logger } from '../log.ts'
import { warnOfHooks } from './hooks.ts'

const warnings = (hooks: unknown, madeNetwork = false) => {
  const said: unknown[] = []
  const log = { warn: (_: string, fields: unknown) => said.push(fields) } as unknown as Logger
  warnOfHooks({ hooks }, 'c1', log, madeNetwork)
  return said
}

test('hooks are named, once for a container', () => {
  expect(warnings({ prestart: [{ path: '/a' }, { path: '/b' }], poststop: [{ path: '/c' }] })).toEqual([
    { container: 'c1', paths: ['/a', '/b', '/c'] },
  ])
})

test('those that made the network were run, others were not', () => {
  const hooks = { prestart: [{ path: '/a' }], startContainer: [{ path: '/b' }], poststop: [{ path: '/c' }] }
  expect(warnings(hooks, true)).toEqual([{ container: 'c1', paths: ['/b'] }])
})

test('without hooks nothing is said, whatever is in their place', () => {
  for (const hooks of [undefined, {}, { prestart: [] }, { prestart: null }, { prestart: [null, {}] }])
    expect(warnings(hooks)).toEqual([])
})
