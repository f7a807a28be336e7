import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { namesIn } from './names-in.ts'

test('names in order; nothing of what is not there, is no directory or has ended', () => {
  const directory = mkdtempSync(`${tmpdir()}/names-in-`)
  try {
    for (const name of ['b', 'a', '.c']) writeFileSync(`${directory}/${name}`, '')
    expect(namesIn(directory)).toEqual(['.c', 'a', 'b'])
    expect(namesIn(`${directory}/missing`)).toEqual([])
    expect(namesIn(`${directory}/a`)).toEqual([])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a zombie’s threads are none, and what cannot be read is an error', () => {
  const { pid } = Bun.spawnSync(['true'])
  expect(namesIn(`/proc/${pid}/task`)).toEqual([])
  expect(() => namesIn('\0')).toThrow()
})
