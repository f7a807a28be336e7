import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commitOf, commitsSinceTag } from './commit.ts'

let directory: string
const noGit = Bun.which('git') === null

function git(...args: string[]): string {
  const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.org']
  const env = { ...process.env, GIT_COMMITTER_DATE: '1700000000 +0000' }
  const { exitCode, stdout, stderr } = Bun.spawnSync(['git', '-C', directory, ...identity, ...args], { env })
  if (exitCode !== 0) throw new Error(stderr.toString())
  return stdout.toString().trim()
}

function commit(path: string): string {
  writeFileSync(join(directory, path), `${Math.random()}`)
  git('add', '.')
  git('commit', '-q', '-m', path)
  return git('rev-parse', '--short=12', 'HEAD')
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kata-commit-'))
  mkdirSync(join(directory, 'src'))
  mkdirSync(join(directory, 'docs'))
})
afterAll(() => rmSync(directory, { recursive: true }))

test('outside git it is unknown', () => {
  expect(commitOf(directory)).toEqual({ name: 'unknown', time: undefined })
})

test.skipIf(noGit)(
  'it is the last commit that changed what is built, and dirty when that has changed since',
  () => {
    git('init', '-q')
    expect(commitOf(directory)).toEqual({ name: 'unknown', time: undefined })
    const built = commit('src/a.ts')
    expect(commitOf(directory)).toEqual({ name: built, time: 1_700_000_000 })
    commit('docs/a.md')
    writeFileSync(join(directory, 'docs/b.md'), '')
    writeFileSync(join(directory, 'src/a.test.ts'), '')
    expect(commitOf(directory).name).toBe(built)
    writeFileSync(join(directory, 'src/new.ts'), '')
    expect(commitOf(directory).name).toBe(`${built}-dirty`)
    expect(commitOf(directory).name).not.toBe(commit('src/a.ts'))
  },
)

test.skipIf(noGit)('commits of a release are those since the tag before it', () => {
  const before = commitsSinceTag(directory)!
  expect(before.since).toBeUndefined()
  git('tag', 'v1.0.0')
  const added = [commit('src/b.ts'), commit('docs/c.md')]
  git('tag', 'v1.1.0')
  expect(commitsSinceTag(directory)).toEqual({
    since: 'v1.0.0',
    titles: [`${added[1]} docs/c.md`, `${added[0]} src/b.ts`],
  })
})
