import { afterEach, beforeEach, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { somePosture } from './posture.double.ts'
import {
  forgetPostures,
  type PostureRecord,
  readPostureRecords,
  recordHandover,
  recordPosture,
} from './posture-record.ts'

let stateDir: string
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'kata-ts-test-'))
})
afterEach(() => rmSync(stateDir, { recursive: true }))

const record = (name: string, uid = 1): PostureRecord => ({
  name,
  ref: { pid: 2, startTime: '3' },
  expected: somePosture({ uid }),
})

test('records are read back by name, the last of each, and are root’s alone', () => {
  expect(readPostureRecords(stateDir)).toEqual([])
  for (const one of [record('vmm'), record('virtiofsd-worker'), record('virtiofsd'), record('vmm', 5)])
    recordPosture(stateDir, one)
  expect(readPostureRecords(stateDir)).toEqual([
    record('virtiofsd'),
    record('virtiofsd-worker'),
    record('vmm', 5),
  ])
  expect(statSync(`${stateDir}/postures`).mode & 0o777).toBe(0o700)
  expect(readdirSync(`${stateDir}/postures`)).toHaveLength(3)
  forgetPostures(stateDir)
  expect(readPostureRecords(stateDir)).toEqual([])
})

test('what is handed over later is known by what it was for, until it is given back', () => {
  recordPosture(stateDir, record('vmm'))
  const handedOver = () => readPostureRecords(stateDir)[0]!.expected.handedOver
  const fd = openSync('/dev/zero', 'r')
  try {
    recordHandover(stateDir, 'vmm', { key: 'disk', fds: [fd] })
    recordHandover(stateDir, 'vmm', { key: 'card', fds: [fd, fd] })
    expect(handedOver()).toEqual({ disk: ['/dev/zero'], card: ['/dev/zero', '/dev/zero'] })
    recordHandover(stateDir, 'vmm', { key: 'disk', fds: [] })
    expect(handedOver()).toEqual({ card: ['/dev/zero', '/dev/zero'] })
    recordHandover(stateDir, 'nobody', { key: 'disk', fds: [fd] })
    expect(readPostureRecords(stateDir)).toHaveLength(1)
  } finally {
    closeSync(fd)
  }
})

test('one that is no posture of ours is refused by its field', () => {
  recordPosture(stateDir, record('vmm'))
  expect(readPostureRecords(stateDir)).toHaveLength(1)
  const { seccomp: _seccomp, ...expected } = record('vmm').expected
  writeFileSync(`${stateDir}/postures/vmm.json`, JSON.stringify({ ...record('vmm'), expected }))
  expect(() => readPostureRecords(stateDir)).toThrow(
    `[STATE_UNREADABLE] the state of a sandbox in ${stateDir}/postures/vmm.json cannot be read: expected.seccomp: expected 2, is missing`,
  )
  writeFileSync(`${stateDir}/postures/vmm.json`, '{"name":"vmm"')
  expect(() => readPostureRecords(stateDir)).toThrow('[STATE_UNREADABLE]')
})
