import { afterEach, beforeEach, expect, test } from 'bun:test'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { silentLogger } from '../../log.ts'
import { removeUsers, scratch } from '../test-support.ts'
import { addUser } from './account-useradd.ts'
import { sweepOncePerBoot } from './boot-sweep.ts'
import { uidBlock } from './uid-range.ts'

// A range of its own: other tests of this room run at the same time.
const range = { base: 0x6d000000, blocks: 8 }
let at: ReturnType<typeof scratch>
beforeEach(() => {
  at = scratch('rebooted')
})
afterEach(async () => {
  await removeUsers([uidBlock(range, 3)])
  rmSync(at.directory, { recursive: true })
})

const sweep = () => {
  const { runDir, userDir } = at.options
  return sweepOncePerBoot({ runDir, range, ...(userDir === undefined ? {} : { userDir }) }, silentLogger)
}
const hasAccount = (name: string) => readFileSync('/etc/passwd', 'utf8').includes(`${name}:`)

test('the first start of a boot removes accounts without a reservation, later ones do not look', async () => {
  const { name, uid } = uidBlock(range, 3)
  await addUser(name, uid)
  await sweep()
  expect(hasAccount(name)).toBe(false)
  await addUser(name, uid)
  await sweep()
  expect(hasAccount(name)).toBe(true)
  writeFileSync(`${at.options.runDir}/swept`, 'another boot')
  await sweep()
  expect(hasAccount(name)).toBe(false)
})
