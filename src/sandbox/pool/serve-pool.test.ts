import { describe, expect, test } from 'bun:test'
import { silentLogger } from '../../log.ts'
import { FakeClock, settled } from '../../time.double.ts'
import type { HostLoad } from './host-load.ts'
import { decide } from './pool-decision.ts'
import { makeMs, type PooledMachine, pauses } from './pool-machines.ts'
import { heldBackMs } from './pool-report.ts'
import type { PoolState } from './pool-server.ts'
import { lookMs, servePool } from './serve-pool.ts'

const idle: HostLoad = { cpu: 0, memory: { now: 0, lately: 0 }, availableMiB: 8000, totalMiB: 16_000 }
const short: HostLoad = { ...idle, memory: { now: 40, lately: 5 } }
const bounds = { number: 2, machineMiB: 2048 }

describe('what is to be done', () => {
  test.each([
    ['a host that is idle gets another machine', 1, idle, 'fill'],
    ['the bound holds', 2, idle, 'rest'],
    ['a busy host is left alone', 0, { ...idle, cpu: 60 }, 'rest'],
    ['so is one that is half busy', 0, { ...idle, cpu: 60, idle: 49 }, 'rest'],
    [
      'a container at its limit makes no host busy that does nothing',
      0,
      { ...idle, cpu: 90, idle: 88 },
      'fill',
    ],
    ['memory pressure empties the pool', 2, short, 'empty'],
    ['so does a host whose memory is used up', 2, { ...idle, availableMiB: 700 }, 'empty'],
    ['a machine that would use the memory up is not made', 0, { ...idle, availableMiB: 3000 }, 'rest'],
    ['nothing is made soon after memory was short', 0, { ...idle, memory: { now: 0, lately: 4 } }, 'rest'],
  ] as const)('%s', (_what, held, load, todo) => {
    expect(decide(held, bounds, load).todo).toBe(todo)
  })

  test('what the host keeps a pool from is said, and nothing of one that is full', () => {
    const busy = { ...idle, cpu: 60 }
    expect(decide(1, bounds, busy).reason).toBe('tasks wait for a processor 25 % of the time or more')
    expect(decide(2, bounds, busy).reason).toBe('')
    expect(decide(1, bounds, { ...idle, availableMiB: 3000 }).reason).toContain('2048 MiB')
    expect(decide(1, bounds, idle).reason).toBe('')
  })
})

/** A host whose machines are ready at once. */
class Host {
  readonly clock = new FakeClock()
  readonly over = new AbortController()
  readonly machines: { taken: () => void; isOver: boolean }[] = []
  load: HostLoad = idle
  startsFail = false
  /** Not even a process can be started. */
  startsThrow = false
  /** Those that are being made stay so. */
  makesSlowly = false
  isCurrent = true
  readonly states: string[] = []
  readonly told: string[] = []
  sweep: () => Promise<void> = async () => {}

  get held(): number {
    return this.machines.filter(({ isOver }) => !isOver).length
  }

  start(): PooledMachine {
    if (this.startsThrow) throw new Error('no process can be made')
    const { promise: gone, resolve } = Promise.withResolvers<void>()
    const entry = {
      isOver: false,
      taken: () => {
        entry.isOver = true
        resolve()
      },
    }
    this.machines.push(entry)
    if (this.startsFail) entry.taken()
    const ready = this.makesSlowly ? gone.then(() => false) : Promise.resolve(!this.startsFail)
    return { ready, gone, end: entry.taken }
  }

  serve(): Promise<void> {
    const host = {
      start: () => this.start(),
      load: () => this.load,
      sweep: () => this.sweep(),
      isCurrent: () => this.isCurrent,
      tell: ({ doing }: PoolState) => void this.states.push(doing),
      clock: this.clock,
    }
    const tell = (message: string) => void this.told.push(message)
    const log = { ...silentLogger, info: tell, warn: tell }
    return servePool(host, bounds, { log, signal: this.over.signal })
  }

  async pass(ms: number): Promise<void> {
    await settled()
    for (let passed = 0; passed < ms; passed += lookMs) await this.clock.pass(lookMs)
  }
}

test('it fills up to its bound and no further, and again once a machine was taken', async () => {
  const host = new Host()
  const served = host.serve()
  await host.pass(10 * lookMs)
  expect(host.held).toBe(2)
  host.machines[0]!.taken()
  await host.pass(lookMs)
  // Another pod may be about to come.
  expect(host.held).toBe(1)
  await host.pass(pauses.takenMs + lookMs)
  expect(host.held).toBe(2)
  host.over.abort()
  await served
  expect(host.held).toBe(0)
})

test('memory pressure ends all, and nothing comes until it has passed', async () => {
  const host = new Host()
  const served = host.serve()
  await host.pass(10 * lookMs)
  host.load = short
  await host.pass(2 * lookMs)
  expect(host.held).toBe(0)
  host.load = { ...idle, memory: { now: 0, lately: 5 } }
  await host.pass(60_000)
  expect(host.held).toBe(0)
  host.load = idle
  await host.pass(10 * lookMs)
  expect(host.held).toBe(2)
  host.over.abort()
  await served
})

test('memory pressure is seen while a machine is being made, which ends then', async () => {
  const host = new Host()
  host.makesSlowly = true
  // Nor is it held up by what killed ones have left.
  host.sweep = () => new Promise(() => {})
  const served = host.serve()
  await host.pass(4 * lookMs)
  expect([host.machines.length, host.held]).toEqual([1, 1])
  host.load = short
  await host.pass(2 * lookMs)
  expect(host.held).toBe(0)
  // It was asked to, and that is no failure.
  expect(host.told).toEqual(['memory runs short, and no machine waits any more'])
  host.over.abort()
  await served
})

test('one that is made for ever is ended, and others come', async () => {
  const host = new Host()
  host.makesSlowly = true
  const served = host.serve()
  await host.pass(makeMs - 4 * lookMs)
  expect([host.machines.length, host.held]).toEqual([1, 1])
  await host.pass(6 * lookMs)
  expect([host.machines.length, host.held]).toEqual([1, 0])
  expect(host.told).toEqual(['no machine came to wait'])
  host.makesSlowly = false
  await host.pass(pauses.failedMs + 4 * lookMs)
  expect(host.held).toBe(2)
  host.over.abort()
  await served
})

test('a host that holds the pool back for long is told of once, and that it is over', async () => {
  const host = new Host()
  host.load = { ...idle, cpu: 60 }
  const served = host.serve()
  await host.pass(heldBackMs - lookMs)
  expect(host.told).toEqual([])
  await host.pass(3 * heldBackMs)
  expect(host.told).toEqual(['the host can spare nothing for more waiting machines'])
  expect(host.states).toEqual(['held back'])
  host.load = idle
  await host.pass(10 * lookMs)
  expect(host.told.slice(1)).toEqual(['the host can spare room for waiting machines again'])
  expect(host.states).toEqual(['held back', 'filling', 'full'])
  // One that comes and goes is worth no line.
  host.machines[0]!.taken()
  host.load = { ...idle, cpu: 60 }
  await host.pass(heldBackMs / 2)
  host.load = idle
  await host.pass(10 * lookMs)
  expect(host.told).toHaveLength(2)
  host.over.abort()
  await served
})

test('when other machines are wanted, all end', async () => {
  const host = new Host()
  const served = host.serve()
  await host.pass(10 * lookMs)
  expect(host.held).toBe(2)
  host.isCurrent = false
  await host.pass(lookMs)
  await served
  expect([host.held, host.over.signal.aborted]).toEqual([0, false])
})

test('what cannot be released is tried less and less often', async () => {
  const host = new Host()
  let sweeps = 0
  host.sweep = () => Promise.reject(new Error(`still there, ${++sweeps}`))
  const served = host.serve()
  await host.pass(60_000)
  // As below.
  expect(sweeps).toBe(4)
  host.over.abort()
  await served
})

test('where no process can be started, those that wait stay, and it is tried again', async () => {
  const host = new Host()
  const served = host.serve()
  await host.pass(2 * lookMs)
  host.startsThrow = true
  host.machines[0]!.taken()
  await host.pass(20_000)
  expect(host.held).toBe(host.machines.length - 1)
  host.startsThrow = false
  await host.pass(60_000)
  expect(host.held).toBe(2)
  host.over.abort()
  await served
})

test('what cannot be made is tried less and less often', async () => {
  const host = new Host()
  host.startsFail = true
  const served = host.serve()
  await host.pass(60_000)
  // After 0, 5, 15 and 35 seconds; the next one is due at 75.
  expect(host.machines).toHaveLength(4)
  expect(host.states.at(-1)).toBe('failing')
  host.over.abort()
  await served
})
