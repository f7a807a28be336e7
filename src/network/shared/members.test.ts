import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { addressesOf, type Member, nameOf, readMembers } from './members.ts'

const holder = { pid: 1, startTime: '1' }
const member = (address: string, ...names: string[]): Member => ({
  address,
  names,
  holder,
  fd: 3,
  identity: '1:2',
})

test('an address has the first name that an answer can hold', () => {
  const long = 'x'.repeat(64)
  const members = new Map([
    ['web', member('10.89.0.2', 'web', 'shop')],
    ['long', member('10.89.0.3', `${long}.a`, long.slice(1))],
    ['none', member('10.89.0.4', long)],
  ])
  expect(nameOf(members, '10.89.0.2')).toBe('web')
  expect(nameOf(members, '10.89.0.3')).toBe(long.slice(1))
  expect(nameOf(members, '10.89.0.4')).toBeUndefined()
  expect(nameOf(members, '10.89.0.5')).toBeUndefined()
  expect(addressesOf(members, long)).toEqual(['10.89.0.4'])
})

test('files that are being made, or are no member’s, are passed over', () => {
  const directory = mkdtempSync(`${tmpdir()}/members-`)
  const web = member('10.89.0.2', 'web')
  for (const name of ['web', '.db']) writeFileSync(`${directory}/${name}`, JSON.stringify(web))
  writeFileSync(`${directory}/half`, '{"address":"10.89')
  expect(readMembers(directory)).toEqual(new Map([['web', web]]))
  rmSync(directory, { recursive: true })
})
