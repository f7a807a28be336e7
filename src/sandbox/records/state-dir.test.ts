import { afterEach, beforeEach, expect, test } from 'bun:test'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { processRef } from '../../linux/processes/proc.ts'
import { silentLogger } from '../../log.ts'
import { openLedger, teardown } from '../end/teardown.ts'
import { listSandboxes, listWaiting } from './gc.ts'
import { ownerResource } from './owner.ts'
import { sandboxPaths, waitingPaths } from './paths.ts'
import { machineDir, nameMachine, removeState } from './state-dir.ts'

let runDir: string
beforeEach(() => {
  runDir = mkdtempSync(`${tmpdir()}/state-dir-`)
  mkdirSync(waitingPaths(runDir, 'w1').stateDir, { recursive: true })
})
afterEach(() => rmSync(runDir, { recursive: true }))

const pod = () => sandboxPaths(runDir, 'default', 'web')
const waiting = () => waitingPaths(runDir, 'w1')

test('a machine that waits is no sandbox, and is one under its pod’s name', () => {
  expect(listSandboxes(runDir)).toEqual([])
  expect(listWaiting(runDir).map(({ id }) => id)).toEqual(['w1'])
  nameMachine(waiting(), pod())
  expect(machineDir(pod())).toBe(waiting().stateDir)
  expect(listSandboxes(runDir).map(({ namespace, id }) => `${namespace}/${id}`)).toEqual(['default/web'])
  expect(listWaiting(runDir)).toEqual([])
  expect(() => nameMachine(waiting(), pod())).toThrow('[SANDBOX_EXISTS]')
})

test('the pool is no namespace', () => {
  expect(() => sandboxPaths(runDir, 'pool', 'w1')).toThrow('[ID_INVALID]')
})

test('both names go with the sandbox, whichever way it is torn down', async () => {
  nameMachine(waiting(), pod())
  removeState({ stateDir: waiting().stateDir, name: pod().stateDir })
  expect(lstatSync(pod().stateDir, { throwIfNoEntry: false })).toBeUndefined()
  expect(existsSync(waiting().stateDir)).toBe(false)

  mkdirSync(waiting().stateDir)
  nameMachine(waiting(), pod())
  await openLedger(waiting(), silentLogger).take(ownerResource, processRef(process.pid)!, () => {})
  await teardown(pod(), silentLogger)
  expect(readdirSync(`${runDir}/default`)).toEqual([])
  expect(readdirSync(`${runDir}/pool`)).toEqual([])
})

test('a name whose directory is gone is torn down, too', async () => {
  nameMachine(waiting(), pod())
  rmSync(waiting().stateDir, { recursive: true })
  await teardown(pod(), silentLogger)
  expect(readdirSync(`${runDir}/default`)).toEqual([])
})

test('a link to elsewhere is removed, and not what it leads to', () => {
  for (const target of ['../other/w1', `${runDir}/pool/w1`, '../pool/../uids']) {
    mkdirSync(`${runDir}/default`, { recursive: true })
    mkdirSync(`${runDir}/other/w1`, { recursive: true })
    mkdirSync(`${runDir}/uids`, { recursive: true })
    writeFileSync(`${runDir}/pool/w1/kept`, '')
    symlinkSync(target, pod().stateDir)
    expect(machineDir(pod())).toBe(pod().stateDir)
    removeState(pod())
    expect(readdirSync(`${runDir}/default`)).toEqual([])
    expect(['pool/w1/kept', 'other/w1', 'uids'].map((path) => existsSync(`${runDir}/${path}`))).toEqual([
      ...[true, true, true],
    ])
  }
})
