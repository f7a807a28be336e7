import { afterAll, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadOnHost } from '../system/on-host.double.ts'
import type { StdioPlan } from './stdio.ts'

const top = mkdtempSync(join(tmpdir(), 'crun-'))
afterAll(() => rmSync(top, { recursive: true }))
const { createCrun } = (await loadOnHost<typeof import('./crun.ts')>('container/crun.ts', join(top, 'share')))
  .module
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
  await expect(create()).rejects.toMatchObject({ code: 'ENOSYS' })
  expect(told).toEqual(['ends of crun closed', 'other ends closed'])
  expect(readdirSync(directory)).toEqual([])
})

test('one that has no room for its log leaves no descriptor, either', async () => {
  await expect(create()).rejects.toMatchObject({ code: 'ENOENT' })
  expect(told).toEqual(['ends of crun closed', 'other ends closed'])
})
