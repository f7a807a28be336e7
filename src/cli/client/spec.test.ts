import { expect, test } from 'bun:test'
import { processSpec } from './spec.ts'

const base = {
  args: ['sh'],
  env: ['PATH=/bin'],
  cwd: '/',
  user: { uid: 0, gid: 0 },
  consoleSize: { height: 1, width: 1 },
  capabilities: { bounding: ['CAP_KILL'], effective: ['CAP_KILL'], permitted: ['CAP_KILL'] },
}

test('what is not asked for stays as the container has it', () => {
  const { consoleSize: _size, ...kept } = base
  expect(processSpec(base, { args: ['true'], terminal: false, env: {} }, {})).toEqual({
    ...kept,
    args: ['true'],
    terminal: false,
  })
})

test('a terminal brings its size and a TERM', () => {
  const wishes = {
    args: ['sh'],
    terminal: true,
    size: { rows: 24, columns: 80 },
    env: { options: ['A=1'] },
    workdir: '/tmp',
  }
  expect(processSpec(base, wishes, {})).toMatchObject({
    terminal: true,
    consoleSize: { height: 24, width: 80 },
    env: ['PATH=/bin', 'TERM=xterm', 'A=1'],
    cwd: '/tmp',
  })
})

test('another user does not keep the capabilities of root, and root gets them', () => {
  const as = (uid: number, from: object) =>
    processSpec(from as typeof base, { args: [], terminal: false, env: {}, user: { uid, gid: uid } }, {})
  const none = { bounding: ['CAP_KILL'], effective: [], permitted: [] }
  expect(as(5, base)).toMatchObject({ user: { uid: 5, gid: 5 }, capabilities: none })
  expect(as(0, { ...base, capabilities: none })).toMatchObject({ capabilities: base.capabilities })
})

test('a relative working directory of a container that was made before begins at /', () => {
  const inBase = (cwd: string) =>
    processSpec({ ...base, cwd }, { args: [], terminal: false, env: {} }, {}).cwd
  expect(['srv/app', './srv', '/srv/', ''].map(inBase)).toEqual(['/srv/app', '/srv', '/srv/', ''])
})

test('a directory of no name was not asked for, as with docker', () => {
  const wishes = { args: ['x'], terminal: false, env: {}, workdir: '' }
  expect(processSpec({ cwd: '/srv' }, wishes, {}).cwd).toBe('/srv')
})
