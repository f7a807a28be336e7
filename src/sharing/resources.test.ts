import { afterEach, beforeEach, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Ledger } from '../ledger/ledger.ts'
import { silentLogger } from '../log.ts'
import { directoryResource, releaseOwner } from './resources.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/kata-ts-resources-`)
  mkdirSync(`${base}/scratch/0`, { recursive: true })
})
afterEach(() => rmSync(base, { recursive: true }))
const release = async () => directoryResource.release({ path: `${base}/scratch`, owner: '' }, silentLogger)

test('places for layers that a killed shim left go with their directory', async () => {
  mkdirSync(`${base}/scratch/1`)
  await release()
  expect(existsSync(`${base}/scratch`)).toBe(false)
  await release()
})

test('files are never removed, nor what a link leads to', async () => {
  writeFileSync(`${base}/scratch/0/file`, 'kept')
  await expect(release()).rejects.toMatchObject({ code: 'ENOTEMPTY' })
  expect(readFileSync(`${base}/scratch/0/file`, 'utf8')).toBe('kept')
  rmSync(`${base}/scratch/0`, { recursive: true })
  mkdirSync(`${base}/elsewhere`)
  symlinkSync(`${base}/elsewhere`, `${base}/scratch/link`)
  await expect(release()).rejects.toMatchObject({ code: 'ENOTEMPTY' })
  expect(existsSync(`${base}/elsewhere`)).toBe(true)
})

test('a holding of an owner that cannot be released stays in the ledger, and keeps none of the others there', async () => {
  const ledger = new Ledger(`${base}/ledger`, [directoryResource], silentLogger)
  for (const name of ['a', 'b', 'c'])
    await ledger.take(directoryResource, { path: `${base}/${name}`, owner: 'owner' }, () =>
      mkdirSync(`${base}/${name}`),
    )
  writeFileSync(`${base}/b/file`, '')
  await expect(releaseOwner(ledger, 'owner')).rejects.toMatchObject({ code: 'ENOTEMPTY' })
  expect(ledger.dataOf(directoryResource)).toEqual([{ path: `${base}/b`, owner: 'owner' }])
})
