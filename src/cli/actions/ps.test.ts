import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { recordPaths } from '../client/record.ts'
import type { Settings } from '../settings.ts'
import { ps } from './ps.ts'

let base: string
let told: string[]
let settings: Settings
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/ps-`)
  told = []
  settings = {
    namespace: 'default',
    runDir: `${base}/run`,
    stateDir: `${base}/state`,
    format: 'text',
    debug: false,
    log: silentLogger,
    self: { program: '', prefix: [] },
    env: {},
    print: () => true,
    tell: (text) => told.push(text),
  }
})
afterEach(() => rmSync(base, { recursive: true }))

test('a container whose record is being written is no damage, and one that never got any is', async () => {
  const { directory } = recordPaths(settings.stateDir, 'default', 'web')
  mkdirSync(directory, { recursive: true })
  await ps(settings, { trunc: false })
  expect(told).toEqual([])
  utimesSync(directory, 0, 0)
  await ps(settings, { trunc: false })
  expect(told).toEqual([expect.stringContaining('[RECORD_UNREADABLE]')])
})
