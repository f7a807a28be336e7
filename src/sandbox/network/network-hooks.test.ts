import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../../log.ts'
import { type HookState, poststopResource, runHooks } from './network-hooks.ts'

let directory: string
let state: HookState
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hooks-'))
  state = {
    ociVersion: '1.0.2',
    id: 'c',
    status: 'creating',
    pid: 4242,
    bundle: directory,
    annotations: { a: 'b' },
  }
})
afterEach(() => rmSync(directory, { recursive: true }))

const sh = (script: string, more = {}) => ({ path: '/bin/sh', args: ['sh', '-c', script], ...more })

describe('a hook', () => {
  test('gets the state on stdin, its own environment and nothing else of ours, in the bundle', async () => {
    await runHooks([sh('cat > state; env > env', { env: ['PATH=/bin:/usr/bin', 'X=a=b'] })], state)
    expect(JSON.parse(readFileSync(join(directory, 'state'), 'utf8'))).toEqual(state)
    const env = readFileSync(join(directory, 'env'), 'utf8')
      .split('\n')
      .map((line) => line.split('=')[0])
    expect(env.filter((name) => name && !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name)).sort()).toEqual([
      'PATH',
      'X',
    ])
    expect(readFileSync(join(directory, 'env'), 'utf8')).toContain('X=a=b\n')
  })

  test('is called by the name that it is given', async () => {
    await runHooks([{ path: '/bin/sh', args: ['another-name', '-c', 'echo "$0" > name'] }], state)
    expect(readFileSync(join(directory, 'name'), 'utf8')).toBe('another-name\n')
  })

  test('that fails stops the others, and says why', async () => {
    const hooks = [sh('echo no network here >&2; exit 3'), sh('echo > second')]
    await expect(runHooks(hooks, state)).rejects.toThrow(/^\[HOOK_FAILED\].*exit code 3: no network here/)
    expect(existsSync(join(directory, 'second'))).toBe(false)
  })

  test('that a signal ended is told as that, and not as late', async () => {
    await expect(runHooks([sh('kill -SEGV $$')], state)).rejects.toThrow('it was ended by SIGSEGV')
  })

  test('is over with its own end, whoever it leaves behind', async () => {
    await runHooks([sh('sleep 10 & echo > first'), sh('echo > second')], state)
    expect(['first', 'second'].map((name) => existsSync(join(directory, name)))).toEqual([true, true])
    await expect(runHooks([sh('sleep 10', { timeout: 0.1 })], state)).rejects.toThrow('ended after 0.1 s')
  })

  test('may take longer than any timer', async () => {
    // In milliseconds it is a second more than 32 bits.
    const timeout = 4_294_968
    await runHooks([sh('exec sleep 2', { timeout })], state)
  })

  test('that hangs is ended, one that is not there is named', async () => {
    await expect(runHooks([sh('exec sleep 60', { timeout: 0.1 })], state)).rejects.toThrow(
      'ended after 0.1 s',
    )
    await expect(runHooks([{ path: '/no/such/hook' }], state)).rejects.toThrow(
      /\[HOOK_FAILED\].*\/no\/such\/hook/,
    )
  })
})

test('poststop hooks all run when the sandbox is released, whatever one of them does', async () => {
  const warned: string[] = []
  const log = createLogger({ sink: ({ message }) => warned.push(message) })
  await poststopResource.release({ hooks: [sh('exit 1'), sh('cat > stopped')], state }, log)
  const { pid: _, ...left } = state
  expect(JSON.parse(readFileSync(join(directory, 'stopped'), 'utf8'))).toEqual({ ...left, status: 'stopped' })
  expect(warned).toEqual(['a poststop hook failed'])
})

test('poststop hooks run though the client has removed the bundle meanwhile', async () => {
  const warned: string[] = []
  const log = createLogger({ sink: ({ fields }) => warned.push(String(fields.error)) })
  const bundle = join(directory, 'removed')
  const hook = sh(`pwd > ${directory}/place; cat > ${directory}/stopped`)
  await poststopResource.release({ hooks: [hook], state: { ...state, bundle } }, log)
  expect(warned).toEqual([])
  expect(JSON.parse(readFileSync(join(directory, 'stopped'), 'utf8')).bundle).toBe(bundle)
  expect(readFileSync(join(directory, 'place'), 'utf8')).toBe('/\n')
})
