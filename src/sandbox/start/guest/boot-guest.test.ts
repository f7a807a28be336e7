import { expect, test } from 'bun:test'
import type { AgentConnection } from '../../../agent/connection.ts'
import { startKataAgent } from '../../../agent/kata-agent.double.ts'
import type { RuntimeConfig } from '../../../config/config.ts'
import { settled } from '../../../time.double.ts'
import { noBringer } from '../../storage/brought-modules.ts'
import { HostDouble } from '../doubles/host.double.ts'
import { VmmDouble } from '../doubles/vmm.double.ts'
import { watchMachine } from '../machine/agent.ts'
import { recordTimings } from '../timings.ts'
import { bootGuest, setUpGuest } from './boot-guest.ts'

/** A machine whose VMM runs, with Kata's agent behind it. */
class Machine implements Disposable {
  readonly #double = new HostDouble()
  readonly request = this.#double.request()
  readonly kata = startKataAgent()
  readonly vmm = new VmmDouble()
  readonly answer = Promise.withResolvers<void>()
  readonly timings = recordTimings(this.request.signal)
  readonly end = watchMachine({
    id: 'pod',
    config: { hypervisor: { path: '/vmm' } },
    vmm: this.vmm,
    vmmProcess: { pid: 0 },
    cgroups: { outOfMemory: () => undefined },
    share: undefined,
    signal: this.request.signal,
  })
  /** Processors that the agent was told to bring online. */
  readonly online: (number | undefined)[] = []
  readonly agent = {
    agent: { ...this.kata.agent, onlineCPUMem: async ({ nbCpus = 0 }) => void this.online.push(nbCpus) },
    health: { check: () => new Promise(() => {}) },
    waitReady: () => this.answer.promise,
  } as unknown as AgentConnection

  boot(verified: Promise<void>): Promise<void> {
    const { vmm, agent, end, request, timings } = this
    const accelerator = { accelerator: 'kvm', reason: 'it works' } as const
    return bootGuest({ verified, vmm, agent, end, accelerator }, request, timings)
  }

  setUp(changed: Partial<RuntimeConfig> = {}) {
    const { vmm, agent, end, timings } = this
    const { config } = this.request
    const request = { ...this.request, config: { ...config, runtime: { ...config.runtime, ...changed } } }
    const network = { interfaces: [], routes: [], neighbours: [] }
    return setUpGuest(
      { vmm, agent, end },
      request,
      { share: undefined, network, modules: noBringer },
      timings,
    )
  }

  giveUp(reason: Error): void {
    this.#double.giveUp.abort(reason)
  }

  steps(): string[] {
    return this.timings.steps.map(({ step }) => step)
  }

  [Symbol.dispose](): void {
    this.kata[Symbol.dispose]()
    this.#double[Symbol.dispose]()
  }
}

test('a guest boots once its kernel is verified, and is up once its agent answers', async () => {
  using machine = new Machine()
  const verified = Promise.withResolvers<void>()
  let isUp = false
  const booting = machine.boot(verified.promise).then(() => (isUp = true))
  await settled()
  expect(machine.vmm.calls).toEqual([])
  verified.resolve()
  await settled()
  expect({ calls: machine.vmm.calls, isUp }).toEqual({ calls: ['boot'], isUp: false })
  machine.answer.resolve()
  await booting
  expect(machine.steps()).toEqual(['guest boot'])
})

test('a guest of an unverified kernel does not boot', async () => {
  using machine = new Machine()
  await expect(machine.boot(Promise.reject(new Error('checksum')))).rejects.toThrow('checksum')
  expect(machine.vmm.calls).toEqual([])
})

test('a machine that ends while its kernel is verified does not boot', async () => {
  using machine = new Machine()
  const booting = machine.boot(new Promise(() => {}))
  machine.vmm.end({ reason: 'exited', consoleTail: '', logTail: '' })
  await expect(booting).rejects.toThrow('[VMM_')
  expect(machine.vmm.calls).toEqual([])
})

test('a guest that is up is told its sandbox, and its agent says who it is', async () => {
  using machine = new Machine()
  expect(await machine.setUp()).toMatchObject({ name: 'kata', version: '4.1.0' })
  expect(machine.kata.calls).toContain('CreateSandbox')
  expect(machine.steps()).toEqual(['guest sandbox'])
})

test('the processors that it booted without are those that its machine has then', async () => {
  using machine = new Machine()
  machine.answer.resolve()
  await machine.boot(Promise.resolve())
  machine.vmm.offlineVcpus = 3
  await machine.setUp()
  expect(machine.online).toEqual([3])
})

test('a guest that answers but never mounts what it was told is given up by name', async () => {
  using machine = new Machine()
  Object.assign(machine.agent.agent, { createSandbox: () => new Promise(() => {}) })
  await expect(machine.setUp({ createContainerTimeout: 0.02 })).rejects.toThrow(
    '[GUEST_SETUP_TIMEOUT] the guest of sandbox pod answers, but did not mount what its sandbox needs',
  )
})

test('a start that was given up tells its guest nothing', async () => {
  using machine = new Machine()
  machine.giveUp(new Error('given up'))
  await machine.setUp().catch(() => {})
  expect(machine.kata.calls).toEqual([])
})

test('a start that was given up while its VMM came up does not boot its guest', async () => {
  using machine = new Machine()
  machine.giveUp(new Error('nobody wants it'))
  await expect(machine.boot(Promise.resolve())).rejects.toThrow('nobody wants it')
  expect(machine.vmm.calls).not.toContain('boot')
})
