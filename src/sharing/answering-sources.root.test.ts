import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { childrenOf, processRef } from '../linux/processes/proc.ts'
import { until } from '../time.ts'
import { countAnswering, requireAnswering } from './answering-sources.ts'
import { enterMountSandbox, type MountSandbox, mountSilent, mountStuck } from './testing.ts'

let sandbox: MountSandbox
let silent: string
let file: string
beforeAll(() => {
  sandbox = enterMountSandbox()
  silent = join(sandbox.directory, 'silent')
  file = join(sandbox.directory, 'file')
  mkdirSync(silent)
  writeFileSync(file, '')
  symlinkSync(silent, join(sandbox.directory, 'link'))
})
afterAll(() => sandbox.leave())
const fuse = test.skipIf(!existsSync('/dev/fuse'))

fuse(
  'a source that does not answer is named, wherever a link to it lies, and nothing waits for it',
  async () => {
    using _mounted = mountSilent(silent)
    const missing = join(sandbox.directory, 'missing')
    expect(await countAnswering([file, missing, join(silent, 'x'), file], 300)).toBe(2)
    const link = join(sandbox.directory, 'link')
    await expect(requireAnswering([file, link], 'c1', 300)).rejects.toThrow(
      `[SHARE_SOURCE_SILENT] mount source ${link} of container c1 has not answered for 0.3 s`,
    )
    await requireAnswering([file, missing], 'c1', 10_000)
    const isAlone = () => childrenOf(processRef(process.pid)!).length === 0
    expect(await until(isAlone, { timeoutMs: 10_000, everyMs: 10 })).toBe(true)
  },
)

fuse('one whose server has gone for good has answered: what uses it gets an error', async () => {
  const mounted = mountSilent(silent)
  const counted = countAnswering([silent, file], 10_000)
  mounted[Symbol.dispose]()
  expect(await counted).toBe(2)
})

test('where no file system has a server, no process is started', async () => {
  expect(await countAnswering([file, '/'], 0)).toBe(2)
})

fuse('a source at which a process is stuck is not looked at again before that has ended', async () => {
  const stuck = join(sandbox.directory, 'stuck')
  mkdirSync(stuck)
  using mounted = mountStuck(stuck)
  // The looks at the other sources end by themselves.
  const leaves = (count: number) =>
    until(() => childrenOf(processRef(process.pid)!).length === count, { timeoutMs: 10_000, everyMs: 10 })
  for (let look = 0; look < 3; look++) expect(await countAnswering([file, stuck], 2000)).toBe(1)
  expect(await leaves(1)).toBe(true)
  const other = mountSilent(silent)
  // A new mount may be in the place of the stuck one.
  expect(await countAnswering([stuck], 300)).toBe(0)
  expect(await leaves(2)).toBe(true)
  other[Symbol.dispose]()
  mounted.endServer()
  expect(await leaves(0)).toBe(true)
  expect(await countAnswering([file, stuck], 10_000)).toBe(2)
})
