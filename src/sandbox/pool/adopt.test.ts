/** A machine that waited and the pod that takes it: what comes when, and what is left when it is not for that pod. */
import { describe, expect, test } from 'bun:test'
import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { KataError } from '../../errors.ts'
import { silentLogger } from '../../log.ts'
import { readFacts } from '../records/facts.ts'
import { listSandboxes, listWaiting } from '../records/gc.ts'
import { sandboxPaths } from '../records/paths.ts'
import { adoptMachine, nameForPod } from './adopt.ts'
import { Pool } from './pool.double.ts'
import { makeWaitingMachine } from './waiting-machine.ts'

const released = (log: readonly string[]) => log.filter((line) => line.startsWith('release '))
const failed = (work: Promise<unknown>) =>
  work.then(
    () => 'nothing failed',
    (error) => error,
  )

test('it takes what is its own before its pod comes, and what is the pod’s after', async () => {
  using pool = new Pool()
  const machine = await pool.waiting()
  const before = pool.log.splice(0)
  expect(before.filter((line) => ['cgroups', 'network', 'nics', 'set-up'].includes(line))).toEqual([])
  expect(before).toEqual(
    expect.arrayContaining(['claim', 'user', 'share', 'connect-share', 'vmm', 'connect-agent', 'boot']),
  )
  expect(pool.made!.spec).toMatchObject({ nics: [], share: { tag: 'kataShared' } })
  expect(pool.made!.spec.template).toMatchObject({ state: expect.stringContaining('/state') })
  expect(pool.open).toBe(0)
  expect(pool.kata.calls).toEqual(expect.arrayContaining(['SetGuestDateTime', 'ReseedRandomDev']))
  expect(before.filter((line) => line === 'warm-up')).toHaveLength(1)

  const request = pool.pod()
  nameForPod(machine, request)
  const told = pool.kata.calls.length
  const sandbox = await adoptMachine(machine, request, pool.withTemplate)
  expect(pool.log.filter((line) => !line.startsWith('place') && !line.startsWith('move'))).toEqual([
    ...['cgroups', 'network', 'nics', 'plug vmm', 'set-up'],
  ])
  expect(pool.kata.calls.slice(told)).toEqual(expect.arrayContaining(['SetGuestDateTime', 'ReseedRandomDev']))
  const paths = sandboxPaths(request.runDir, 'test', 'pod')
  expect(lstatSync(paths.stateDir).isSymbolicLink()).toBe(true)
  expect(readFacts(paths.facts)).toMatchObject({ id: 'pod', namespace: 'test', waited: 'w1', uid: 7 })
  expect(listSandboxes(request.runDir).map(({ id }) => id)).toEqual(['pod'])
  expect(listWaiting(request.runDir)).toEqual([])

  await sandbox.stop()
  const taken = ['owner', 'user', 'share', 'vmm', 'cgroups', 'network', 'nics']
  expect(released(pool.log)).toEqual(taken.toReversed().map((kind) => `release ${kind}`))
  expect(readdirSync(`${request.runDir}/pool`)).toEqual([])
  expect(lstatSync(paths.stateDir, { throwIfNoEntry: false })).toBeUndefined()
})

const samePod = (pool: Pool) => pool.pod()

describe.each([
  ['a pod of another configuration', (pool: Pool) => pool.pod({ defaultMemory: 300 }), () => {}],
  [
    'a template that was made anew',
    samePod,
    (pool: Pool) => {
      pool.madeAt = 'later'
    },
  ],
  ['a virtiofsd that was upgraded meanwhile', samePod, (pool: Pool) => pool.upgradeVirtiofsd()],
  [
    'a container that its share cannot serve',
    samePod,
    (pool: Pool) => {
      pool.onFit = () => {
        throw new KataError('SHARE_ID_BEYOND', { container: 'pod', id: 7 })
      }
    },
  ],
  [
    'a machine whose guest does not answer',
    samePod,
    (pool: Pool) => {
      pool.isSilent = true
    },
  ],
  [
    'a machine that has ended',
    samePod,
    (pool: Pool) => pool.vmm.end({ reason: 'exited', consoleTail: '', logTail: '' }),
  ],
] as const)('%s', (_what, podOf, change) => {
  test('has the machine released, and starts one of its own', async () => {
    using pool = new Pool()
    const machine = await pool.waiting()
    const request = podOf(pool)
    nameForPod(machine, request)
    change(pool)
    await Bun.sleep(0)
    pool.log.splice(0)
    const told: string[] = []
    const log = { ...silentLogger, warn: (message: string) => void told.push(message) }
    const sandbox = await adoptMachine(machine, { ...request, log }, pool.withTemplate)
    expect(told.join()).toContain('[POOL_UNUSABLE] the pod cannot take a waiting machine: ')
    expect(pool.log.indexOf('release owner')).toBeLessThan(pool.log.indexOf('claim'))
    expect(readFacts(sandboxPaths(request.runDir, 'test', 'pod').facts)!.waited).toBeUndefined()
    expect(readdirSync(`${request.runDir}/pool`)).toEqual([])
    await sandbox.stop()
  })
})

test.each(['cgroups', 'network', 'nics', 'set-up'] as const)(
  'a start that fails at %s leaves nothing, and the machine is not used again',
  async (step) => {
    using pool = new Pool()
    const machine = await pool.waiting()
    const request = pool.pod()
    nameForPod(machine, request)
    const failure = new Error(`no ${step}`)
    pool.onStep = (now) => {
      if (now === step) throw failure
    }
    expect(await failed(adoptMachine(machine, request, pool.withTemplate))).toBe(failure)
    expect(released(pool.log)).toEqual(expect.arrayContaining(['release vmm', 'release owner']))
    expect(readdirSync(`${request.runDir}/pool`)).toEqual([])
    expect(readdirSync(`${request.runDir}/test`)).toEqual([])
  },
)

test('a full disk is named, as at any start', async () => {
  using pool = new Pool()
  const machine = await pool.waiting()
  const request = pool.pod()
  nameForPod(machine, request)
  pool.onStep = (now) => {
    if (now === 'network') throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
  }
  expect(await failed(adoptMachine(machine, request, pool.withTemplate))).toMatchObject({
    code: 'RUN_DIR_FULL',
  })
  expect(readdirSync(`${request.runDir}/pool`)).toEqual([])
})

test('a card that does not go in costs the machine, not the pod', async () => {
  using pool = new Pool()
  const machine = await pool.waiting()
  const request = pool.pod()
  nameForPod(machine, request)
  Object.assign(pool.vmm, { plugNic: () => Promise.reject(new Error('no free port')) })
  const sandbox = await adoptMachine(machine, request, pool.withTemplate)
  expect(readFacts(sandboxPaths(request.runDir, 'test', 'pod').facts)!.waited).toBeUndefined()
  await sandbox.stop()
})

test('a process that does not come into the pod’s cgroup costs the machine, not the pod', async () => {
  using pool = new Pool()
  const machine = await pool.waiting()
  const request = pool.pod()
  nameForPod(machine, request)
  pool.onMove = () => {
    throw new KataError('CGROUP_UNUSABLE', { path: '/pod', reason: 'EINVAL' })
  }
  const sandbox = await adoptMachine(machine, request, pool.withTemplate)
  expect(released(pool.log)).toEqual(expect.arrayContaining(['release vmm', 'release cgroups']))
  expect(readFacts(sandboxPaths(request.runDir, 'test', 'pod').facts)!.waited).toBeUndefined()
  await sandbox.stop()
})

test('a machine that is not for the pod and cannot be released is told as that, and not by its name', async () => {
  using pool = new Pool()
  const machine = await pool.waiting()
  const request = pool.pod({ defaultMemory: 300 })
  nameForPod(machine, request)
  pool.onRelease = (kind) => {
    if (kind === 'share') throw new Error('it is busy')
  }
  const error = await failed(adoptMachine(machine, request, pool.withTemplate))
  expect(error).toMatchObject({
    code: 'RELEASE_FAILED',
    fields: { held: 'share', reason: 'Error: it is busy' },
  })
})

test('a machine is given to one name only, and a name that is taken is refused', async () => {
  using pool = new Pool()
  const machine = await pool.waiting()
  const { runDir } = pool.pod()
  nameForPod(machine, { namespace: 'test', id: 'pod' })
  expect(() => nameForPod(machine, { namespace: 'test', id: 'pod' })).toThrow('[SANDBOX_EXISTS]')
  await machine.release()
  expect(existsSync(`${runDir}/pool/w1`)).toBe(false)
  expect(readdirSync(`${runDir}/test`)).toEqual([])
})

test('a machine that cannot be ended keeps nothing else that it held', async () => {
  using pool = new Pool()
  const machine = await pool.waiting()
  pool.log.splice(0)
  Object.assign(pool.vmm, { stop: () => Promise.reject(new Error('the process stays')) })
  await machine.release()
  expect(released(pool.log)).toEqual(['vmm', 'share', 'user', 'owner'].map((kind) => `release ${kind}`))
})

test('no machine waits that would have to boot', async () => {
  using pool = new Pool()
  const { config, runDir } = pool.pod()
  const parts = { id: 'w1', runDir, config, log: silentLogger, signal: pool.giveUpWait.signal }
  const none = { ...pool.withTemplate, findTemplate: () => undefined }
  expect(await failed(makeWaitingMachine(parts, none))).toMatchObject({ code: 'TEMPLATE_UNUSABLE' })
  expect(readdirSync(`${runDir}/pool`)).toEqual([])
})
