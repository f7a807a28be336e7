import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import { silentLogger } from '../log.ts'
import { createBinds } from './binds.ts'
import { directoryResource, mountResource } from './resources.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/kata-ts-binds-`)
  mkdirSync(`${base}/source`)
})
afterEach(() => rmSync(base, { recursive: true }))

/** A share whose directory is gone, so that nothing can be shown. */
function makeBinds() {
  const ledger = new Ledger(`${base}/ledger`, [directoryResource, mountResource], silentLogger)
  const binds = createBinds(ledger, { entries: `${base}/gone` }, undefined)
  const request = { source: `${base}/source`, destination: '/data', readonly: false, recursive: false }
  return { ledger, binds, add: () => binds.add('c1', request).catch((error) => error) }
}

test('who asks twice for what cannot be shown is told the reason both times', async () => {
  const { ledger, add } = makeBinds()
  const reasons = await Promise.all([add(), add()])
  expect(reasons.map(({ code }) => code)).toEqual(['ENOENT', 'ENOENT'])
  expect(ledger.held).toEqual([])
})

test('so is one that is removed meanwhile', async () => {
  const { ledger, binds, add } = makeBinds()
  const adding = add()
  await binds.leave('c1')
  expect((await adding).code).toBe('ENOENT')
  expect(ledger.held).toEqual([])
})
