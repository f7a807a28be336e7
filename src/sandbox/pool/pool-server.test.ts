import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { processRef } from '../../linux/processes/proc.ts'
import {
  findPoolServer,
  forgetDeadPoolServer,
  forgetPoolServer,
  notePoolServer,
  type PoolServer,
} from './pool-server.ts'

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/pool-server-`)
})
afterEach(() => rmSync(runDir, { recursive: true }))

const server: PoolServer = {
  process: processRef(process.pid)!,
  number: 2,
  doing: 'held back',
  reason: 'tasks wait',
}

test('what one has written down is found while it lives', () => {
  expect(findPoolServer(runDir)).toBeUndefined()
  notePoolServer(runDir, server)
  expect(findPoolServer(runDir)).toEqual(server)
  expect(statSync(`${runDir}/pool.json`).mode & 0o777).toBe(0o600)
  expect(forgetDeadPoolServer(runDir)).toEqual([])
  expect(findPoolServer(runDir)).toEqual(server)
  forgetPoolServer(runDir)
  expect(findPoolServer(runDir)).toBeUndefined()
})

test('what cannot be read goes, as it keeps gc from its end for ever', () => {
  writeFileSync(`${runDir}/pool.json`, '{"process":')
  expect(() => findPoolServer(runDir)).toThrow('[STATE_UNREADABLE]')
  expect(forgetDeadPoolServer(runDir)).toEqual([`${runDir}/pool.json`])
  expect(existsSync(`${runDir}/pool.json`)).toBe(false)
})

test('one that was killed is no server, and what it has left goes', () => {
  notePoolServer(runDir, { ...server, process: { ...server.process, startTime: '1' } })
  expect(findPoolServer(runDir)).toBeUndefined()
  expect(forgetDeadPoolServer(runDir)).toEqual([`${runDir}/pool.json`])
  expect(existsSync(`${runDir}/pool.json`)).toBe(false)
  expect(forgetDeadPoolServer(runDir)).toEqual([])
})
