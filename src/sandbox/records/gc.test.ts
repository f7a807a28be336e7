import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { silentLogger } from '../../log.ts'
import { listSandboxes, listWaiting } from './gc.ts'

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/gc-`)
})
afterEach(() => rmSync(runDir, { recursive: true }))

test('what cannot be a sandbox by its name is passed over and told, and hides no other', () => {
  for (const path of ['default/web', 'default/.left', 'a b/c', 's/x', 'uids/7']) {
    mkdirSync(`${runDir}/${path}`, { recursive: true })
  }
  writeFileSync(`${runDir}/accelerator.json`, '')
  const told: unknown[] = []
  const log = { ...silentLogger, warn: (_message: string, fields?: object) => void told.push(fields) }
  expect(listSandboxes(runDir, log).map(({ namespace, id }) => `${namespace}/${id}`)).toEqual(['default/web'])
  expect(told).toEqual([{ path: `${runDir}/a b` }, { path: `${runDir}/default/.left` }])
})

test('a machine that a pod has taken waits no more; a link to elsewhere takes none', () => {
  for (const path of ['pool/a', 'pool/b', 'pool/c', 'default'])
    mkdirSync(`${runDir}/${path}`, { recursive: true })
  symlinkSync('../pool/b', `${runDir}/default/web`)
  symlinkSync('../other/c', `${runDir}/default/stray`)
  expect(listWaiting(runDir).map(({ id }) => id)).toEqual(['a', 'c'])
})
