import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { root } from '../paths.ts'
import { splitByRoot, splitByUsers, testFiles } from './test-files.ts'

const all = testFiles(['src', 'setup'], [])

test('a folder is taken by any name that a shell gives it', () => {
  const files = testFiles(['src', 'setup'], ['src/netlink/'])
  expect(files.length).toBeGreaterThan(0)
  expect(files.length).toBeLessThan(all.length)
  for (const name of ['src/netlink', './src/netlink/', join(root, 'src/netlink')])
    expect([name, testFiles(['src', 'setup'], [name])]).toEqual([name, files])
})

test('several names take what any of them names, and a name that is in no path takes nothing', () => {
  const [one, other] = ['src/netlink', 'setup/stamp'].map((name) => testFiles(['src', 'setup'], [name]))
  expect(testFiles(['src', 'setup'], ['setup/stamp', 'src/netlink'])).toEqual([...one!, ...other!])
  expect(testFiles(['src'], ['no-such-file'])).toEqual([])
})

test('a run whose name is in no path says so, and fails', () => {
  const argv = [process.execPath, 'setup/gate/test.ts', 'unit', 'no-such-file', 'nor-this']
  const { stdout, exitCode } = Bun.spawnSync(argv, { cwd: root })
  expect(`${stdout}`.trimEnd().split('\n').slice(-2)).toEqual([
    'failed: no unit test file has a path that holds no-such-file or nor-this',
    '0 passed, 1 failed, 0 skipped',
  ])
  expect(exitCode).toBe(1)
})

test('root runs all files; another user runs those without the suffix, and the others are counted', () => {
  expect(splitByRoot(all, true)).toEqual({ run: all, skipped: [] })
  const { run, skipped } = splitByRoot(all, false)
  expect([...run, ...skipped].toSorted()).toEqual(all.toSorted())
  expect(skipped).toContain('src/rootless/jail/jail.root.test.ts')
  expect(run).toContain('setup/gate/test-files.test.ts')
})

test('unit tests that take users of the host run alone, each of them once, and the others may run together', () => {
  const { together, alone } = splitByUsers(all)
  expect([...together, ...alone].toSorted()).toEqual(all.toSorted())
  expect(alone).toEqual(
    expect.arrayContaining([
      'src/rootless/posture/posture.root.test.ts',
      'src/rootless/identity/sweep.root.test.ts',
      'src/linux/processes/uid-processes.root.test.ts',
    ]),
  )
  expect(together).toEqual(
    expect.arrayContaining(['src/cli/cli.root.test.ts', 'src/rootless/posture/cores.test.ts']),
  )
})
