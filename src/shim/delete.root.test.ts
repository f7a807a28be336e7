/** `delete` where the run directory has no room. Only root can make such a one. */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { mount, unmountBelow } from '../linux/mounts/mount.ts'
import { sandboxPaths } from '../sandbox/records/paths.ts'
import { runDelete } from './delete.double.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/delete-`)
})
afterEach(() => {
  unmountBelow(base)
  rmSync(base, { recursive: true })
})

test('a sandbox is torn down where no file can be made any more', () => {
  const [runDir, bundle] = [`${base}/run`, `${base}/bundle`]
  for (const directory of [runDir, bundle]) mkdirSync(directory)
  mount({ source: 'none', target: runDir, type: 'tmpfs', data: 'nr_inodes=20' })
  const { stateDir } = sandboxPaths(runDir, 'n', 'c')
  mkdirSync(stateDir, { recursive: true })
  const fill = () => {
    for (let k = 0; k < 20; k++) writeFileSync(`${runDir}/${k}`, '')
  }
  expect(fill).toThrow('ENOSPC')
  const { exitCode, said } = runDelete({ runDir, bundle })
  expect([exitCode, existsSync(stateDir)]).toEqual([0, false])
  expect(said).toContain('without its words being kept')
})
