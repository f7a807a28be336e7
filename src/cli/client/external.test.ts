import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { sandboxPaths } from '../../sandbox/records/paths.ts'
import { writeTaskRecord } from '../../sandbox/records/task-records.ts'
import type { Settings } from '../settings.ts'
import { findExternal } from './external.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/external-`)
})
afterEach(() => rmSync(directory, { recursive: true }))

test('a container of another client is found by what only its id begins with', () => {
  const where = { runDir: `${directory}/run`, stateDir: `${directory}/state`, namespace: 'k8s.io' }
  const settings = { ...where, log: silentLogger } as unknown as Settings
  for (const id of ['abcd01', 'abcd02', 'abce03'])
    writeTaskRecord(sandboxPaths(where.runDir, 'k8s.io', id), {
      id,
      namespace: 'k8s.io',
      sandboxId: id,
      bundle: directory,
      address: 'unix:///none',
      createdAt: '2026-01-01T00:00:00Z',
    })
  expect(findExternal(settings, 'abce')?.id).toBe('abce03')
  expect(findExternal(settings, 'abc')).toBeUndefined()
  expect(() => findExternal(settings, 'abcd')).toThrow(
    /^\[CONTAINER_AMBIGUOUS\] 2 containers begin with "abcd"\. Give more of the id/,
  )
})
