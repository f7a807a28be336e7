import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { bootId } from '../../linux/processes/proc.ts'
import { sweepDisks } from './disk-sweep.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/disk-sweep-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

test('disks of earlier boots go; those of this one, and what is no boot’s, stay', () => {
  const before = crypto.randomUUID()
  // The first is there where the directory is a file system of its own.
  for (const name of ['lost+found', 'notes', before, bootId()]) {
    mkdirSync(`${directory}/${name}`)
    writeFileSync(`${directory}/${name}/x`, '')
  }
  expect(sweepDisks(directory)).toEqual([{ path: `${directory}/${before}` }])
  expect(readdirSync(directory).sort()).toEqual([bootId(), 'lost+found', 'notes'].sort())
  expect(sweepDisks(`${directory}/none`)).toEqual([])
})
