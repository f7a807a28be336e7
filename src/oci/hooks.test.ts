import { expect, test } from 'bun:test'
import { createLogger } from '../log.ts'
import { networkHooks, warnOfHooks } from './hooks.ts'
import { parseSpec } from './read-spec.ts'
import type { OciHooks } from './spec.ts'

const warnings = (hooks: OciHooks | undefined, madeNetwork = false) => {
  const said: unknown[] = []
  const log = createLogger({ sink: ({ fields }) => said.push(fields) })
  warnOfHooks(hooks === undefined ? {} : { hooks }, 'c1', log, madeNetwork)
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

test('without hooks nothing is said', () => {
  for (const hooks of [undefined, {}, { prestart: [] }]) expect(warnings(hooks)).toEqual([])
})

test('prestart comes before createRuntime; what is about the inside of a container is left out', () => {
  const [one, two, three] = ['/one', '/two', '/three'].map((path) => ({ path })) as [never, never, never]
  const hooks = { createRuntime: [two], prestart: [one], poststop: [three], startContainer: [one] }
  expect(networkHooks({ hooks })).toEqual({ create: [one, two], poststop: [three] })
  expect(networkHooks({})).toEqual({ create: [], poststop: [] })
})

test.each([
  [{}, 'hooks.prestart: expected a list, is an object'],
  [[{ path: 'relative' }], 'hooks.prestart[0].path: expected an absolute path, is another text'],
  [[{}], 'hooks.prestart[0].path: expected a string, is missing'],
  [[null], 'hooks.prestart[0]: expected an object, is null'],
  [[{ path: '/x', args: 'sh' }], 'hooks.prestart[0].args: expected a list, is a string'],
  [[{ path: '/x', timeout: -1 }], 'hooks.prestart[0].timeout: expected a whole number above 0, is -1'],
])('nonsense is refused: %p', (prestart, says) => {
  expect(() => parseSpec({ hooks: { prestart } })).toThrow(
    `[OCI_SPEC_INVALID] the OCI specification is invalid: ${says}`,
  )
})
