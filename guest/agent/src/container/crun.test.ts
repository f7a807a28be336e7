import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StdioPlan } from '../streams/stdio.ts'
import { loadOnHost } from '../system/on-host.double.ts'

const top = mkdtempSync(join(tmpdir(), 'crun-'))
afterAll(() => rmSync(top, { recursive: true }))
const { module, started } = await loadOnHost<typeof import('./crun.ts')>(
  'container/crun.ts',
  join(top, 'share'),
)
const { createCrun } = module
const directory = join(top, 'crun')

let told: string[]
beforeEach(() => {
  told = []
  rmSync(directory, { recursive: true, force: true })
})

/** No program can be started here. */
function create() {
  const crun = createCrun(
    { adopting: (work: (claim: never) => unknown) => work(undefined as never) } as never,
    '/crun',
    directory,
  )
  const stdio = {
    fds: [0, 1, 2],
    args: [],
    started: () => void told.push('ends of crun closed'),
    abandon: () => void told.push('other ends closed'),
  }
  return crun.create('c', '/bundle', stdio as unknown as StdioPlan)
}

test('a command that cannot be started leaves no file and no descriptor', async () => {
  mkdirSync(directory)
  await expect(create()).rejects.toMatchObject({ code: 'ENOENT' })
  expect(told).toEqual(['ends of crun closed', 'other ends closed'])
  expect(readdirSync(directory)).toEqual([])
})

test('one that has no room for its log leaves no descriptor, either', async () => {
  await expect(create()).rejects.toMatchObject({ code: 'ENOENT' })
  expect(told).toEqual(['ends of crun closed', 'other ends closed'])
})

const pid = 2 ** 22 + 1
test.each([
  ['that runs', new Promise<number>(() => {}), [`kill ${pid} 9`]],
  ['that has ended, and whose number may be another’s', Promise.resolve(0), []],
])('a process %s is not left to itself when its streams cannot be had', async (_what, ended, kills) => {
  mkdirSync(directory)
  started.length = 0
  // As crun tells it. What it was started with is left out.
  const reaper = {
    exitOf: async () => {
      writeFileSync(`${directory}/pid-1`, String(pid))
      return 0
    },
    adopting: (work: (claim: () => Promise<number>) => unknown) => work(() => ended),
  }
  const finish = () => {
    throw new Error('crun sent no terminal')
  }
  const stdio = { fds: [0, 1, 2], args: [], started: () => {}, abandon: () => {}, finish }
  const crun = createCrun(reaper as never, process.execPath, directory)
  const made = crun.exec('c', '/process.json', stdio as unknown as StdioPlan, 0n)
  await expect(made).rejects.toThrow('crun sent no terminal')
  expect(started.filter((line) => line.startsWith('kill'))).toEqual(kills)
})
