import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tryDirectoryLock } from '../../linux/files/directory-lock.ts'
import { silentLogger } from '../../log.ts'
import { clocksThatRush } from '../../time.double.ts'
import { removeUsers, scratch } from '../test-support.ts'
import { addUser } from './account-useradd.ts'
import { sweepOncePerBoot } from './boot-sweep.ts'
import { reservationsDir } from './reservation.ts'
import { uidBlock } from './uid-range.ts'

// A range of its own: other tests of this room run at the same time.
const range = { base: 0x6d000000, blocks: 8 }
let at: ReturnType<typeof scratch>
beforeEach(() => {
  at = scratch('rebooted')
})
afterEach(async () => {
  await removeUsers([range, other].map((one) => uidBlock(one, 3)))
  rmSync(at.directory, { recursive: true })
})

/** Of another configuration of the same host. */
const other = { base: 0x6c000000, blocks: 8 }

const sweep = (of = range) => {
  const { runDir, userDir } = at.options
  return sweepOncePerBoot({ runDir, range: of, ...(userDir === undefined ? {} : { userDir }) }, silentLogger)
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

test('each range of ids is swept by the first start that has it', async () => {
  await sweep(other)
  const { name, uid } = uidBlock(range, 3)
  await addUser(name, uid)
  await sweep()
  expect(hasAccount(name)).toBe(false)
  await addUser(name, uid)
  for (const one of [other, range]) await sweep(one)
  expect(hasAccount(name)).toBe(true)
})

test('a start that did not get its turn leaves the sweep to the next one', async () => {
  const { name, uid } = uidBlock(range, 3)
  await addUser(name, uid)
  const reservations = reservationsDir(at.options.runDir)
  mkdirSync(reservations, { recursive: true })
  {
    using _held = tryDirectoryLock(reservations)
    using _rush = clocksThatRush()
    await sweep()
  }
  expect(hasAccount(name)).toBe(true)
  await sweep()
  expect(hasAccount(name)).toBe(false)
})
