/** What processes of ours tell each other in files is read by its types: a file of another form is told, and never used. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createLogger } from '../../log.ts'
import { someFacts } from './facts.double.ts'
import { readFacts, writeFacts } from './facts.ts'
import { listTaskRecords } from './list-tasks.ts'
import { sandboxPaths } from './paths.ts'
import { type TaskRecord, writeTaskRecord } from './task-records.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/records-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

const facts = someFacts()

describe('facts of a sandbox', () => {
  test('are read as they were written, frozen; before there are any, there are none', () => {
    const file = `${directory}/facts.json`
    expect(readFacts(file)).toBeUndefined()
    writeFacts(file, facts)
    expect(readFacts(file)).toEqual(facts)
    expect(Object.isFrozen(readFacts(file)?.openWalls[0])).toBe(true)
  })

  test.each([
    [{ ...facts, openWalls: undefined }, 'openWalls: expected a list, is missing'],
    [{ ...facts, openWalls: [{ wall: 'moat' }] }, 'openWalls[0].wall: expected "rootless" or '],
    [{ ...facts, vmmPid: '2' }, 'vmmPid: expected a number from 0 to 4294967295, is a string'],
  ])('of another form are refused, and do not pass for walls that stand', (wrong, says) => {
    const file = `${directory}/facts.json`
    writeFileSync(file, JSON.stringify(wrong))
    expect(() => readFacts(file)).toThrow(
      `[STATE_UNREADABLE] the state of a sandbox in ${file} cannot be read: ${says}`,
    )
  })
})

test('a task that cannot be read is told, and does not hide the others', () => {
  const paths = sandboxPaths(directory, 'default', 'pod')
  const task = (id: string): TaskRecord => ({
    id,
    namespace: 'default',
    sandboxId: 'pod',
    bundle: '/b',
    address: 'unix:///s',
    createdAt: '2026-01-01T00:00:00.000Z',
  })
  for (const id of ['one', 'other']) writeTaskRecord(paths, task(id))
  writeFileSync(paths.ledger, '')
  const told: unknown[] = []
  const log = createLogger({ sink: ({ fields }) => told.push(fields.error) })
  expect(listTaskRecords(directory, 'default', log)).toEqual([task('one'), task('other')])
  expect(told).toEqual([])
  writeFileSync(`${paths.stateDir}/tasks/one.json`, '{"id":"one"}')
  expect(listTaskRecords(directory, 'default', log)).toEqual([task('other')])
  expect(told).toEqual([expect.stringContaining('namespace: expected a string, is missing')])
})
