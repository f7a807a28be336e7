import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KataError } from '../../errors.ts'
import { SyscallError } from '../../linux/libc.ts'
import { silentLogger } from '../../log.ts'
import { namingFullDisk, rollingBack } from './rollback.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'kata-ts-rollback-'))
})
afterEach(() => rmSync(stateDir, { recursive: true, force: true }))

const running = new AbortController().signal
const failure = new Error('a stage failed')
const fails = () => Promise.reject(failure)
const roll = (releaseAll: () => Promise<void>, start: () => Promise<unknown>, signal = running) =>
  rollingBack(
    { log: silentLogger, signal },
    { ledger: { releaseAll, held: [] }, paths: { stateDir } },
    start,
  ).catch((error) => error)

test('a start that succeeds keeps all that it took', async () => {
  expect(
    await roll(
      () => expect.unreachable(),
      async () => 7,
    ),
  ).toBe(7)
  expect(existsSync(stateDir)).toBe(true)
})

test('the directory goes only after the ledger has released everything', async () => {
  const isThere: boolean[] = []
  const releaseAll = async () => void isThere.push(existsSync(stateDir))
  expect(await roll(releaseAll, fails)).toBe(failure)
  expect([...isThere, existsSync(stateDir)]).toEqual([true, false])
})

test('what cannot be released stays written down, and the start fails by its own reason', async () => {
  expect(await roll(() => Promise.reject(new Error('busy')), fails)).toBe(failure)
  expect(existsSync(stateDir)).toBe(true)
})

test('a start that is tried in another way is not, where something is left: that would fail by the name, and hide both', async () => {
  const unusable = new KataError('TEMPLATE_UNUSABLE', { reason: 'no such page' })
  const held = ['user', 'vmm']
  const rollTried = (releaseAll: () => Promise<void>, start: () => Promise<unknown>) =>
    rollingBack(
      { log: silentLogger, signal: running },
      { ledger: { releaseAll, held }, paths: { stateDir }, retriedAfter: 'TEMPLATE_UNUSABLE' },
      start,
    ).catch((error: KataError) => error)
  const busy = () => Promise.reject(new Error('busy'))
  const left = await rollTried(busy, () => Promise.reject(unusable))
  expect(left).toMatchObject({ code: 'RELEASE_FAILED', fields: { held: 'user, vmm' }, cause: unusable })
  expect(String(left)).toMatch(/busy.*no such page/)
  expect(await rollTried(busy, fails)).toBe(failure)
  expect(
    await rollTried(
      async () => {},
      () => Promise.reject(unusable),
    ),
  ).toBe(unusable)
})

test('a start that was given up fails by that, whatever broke first', async () => {
  const reason = new Error('given up')
  expect(await roll(async () => {}, fails, AbortSignal.abort(reason))).toBe(reason)
})

test.each([
  ['node', Object.assign(new Error('full'), { code: 'ENOSPC' }), true],
  ['the kernel', new SyscallError('mount', 'ENOSPC'), true],
  ['nobody', failure, false],
])('a full run directory is named when %s says so', async (_who, error, isNamed) => {
  const work = () => Promise.reject(error)
  const told = await namingFullDisk({ id: 'pod', runDir: '/run/x' }, work).catch((thrown) => thrown)
  expect(String(told).includes('[RUN_DIR_FULL]')).toBe(isNamed)
  expect(isNamed ? told.cause : told).toBe(error)
})

test('a full disk that is another one than that of the run directory is told as it is', async () => {
  const told = (path: string) => {
    const error = Object.assign(new Error('full'), { code: 'ENOSPC', path })
    return namingFullDisk({ id: 'pod', runDir: '/run/x' }, () => Promise.reject(error)).catch((thrown) => ({
      isNamed: thrown instanceof KataError && thrown.code === 'RUN_DIR_FULL',
      isItself: thrown === error,
    }))
  }
  for (const path of ['/run/x', '/run/x/n/pod/ledger', '/proc/self/fd/7/file'])
    expect([path, await told(path)]).toEqual([path, { isNamed: true, isItself: false }])
  for (const path of ['/var/lib/kata-ts/disks/1/disk.img', '/sys/fs/cgroup/cpuset/p/tasks', '/run/xy/file'])
    expect([path, await told(path)]).toEqual([path, { isNamed: false, isItself: true }])
})
