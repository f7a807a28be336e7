import { expect, test } from 'bun:test'
import { KataError } from '../../../errors.ts'
import { FakeClock, settled } from '../../../time.double.ts'
import { TtrpcError } from '../../../ttrpc/ttrpc.ts'
import type { VmEnd } from '../../../vmm/vmm.ts'
import { MachineEnd, signsMs } from '../../end/machine-end.ts'
import { type Beginning, guestUp, whileGuestLives } from './guest-up.ts'

const answers = async () => ({ status: 1 })
const never = new Promise<never>(() => {})

function beginning({ check = answers, ready = never as Promise<void> } = {}) {
  const clock = new FakeClock()
  const consoleTail = () => 'its last words'
  const end = new MachineEnd({
    id: 'pod',
    program: '/usr/bin/vmm',
    consoleTail,
    outOfMemory: () => undefined,
    clock,
  })
  const waitReady = ({ signal }: { signal: AbortSignal }) =>
    Promise.race([
      ready,
      new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    ])
  const all = {
    id: 'pod',
    vmm: { consoleTail },
    agent: { health: { check }, waitReady },
    end,
    config: { agent: { dialTimeout: 45 } },
    choice: { accelerator: 'kvm', reason: 'a guest booted with it' },
  }
  return { beginning: all as unknown as Beginning, end, clock }
}

const panicked: VmEnd = { reason: 'guest-panicked', consoleTail: 'Kernel panic', logTail: '' }
const closed = () => Promise.reject(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' }))
const unreachable = () =>
  Promise.reject(new KataError('AGENT_UNREACHABLE', { endpoint: 'port', seconds: 45, reason: 'no answer' }))
const said = (work: Promise<unknown>) => work.then(String, ({ message }) => message)

test('an agent that answers is up', async () => {
  const { beginning: up } = beginning({ ready: Promise.resolve() })
  expect(await said(guestUp(up))).toBe('undefined')
})

test('a machine that ends before its agent answers is told as that, though the connection breaks first', async () => {
  const { beginning: start, end } = beginning({ ready: closed() })
  const failing = said(guestUp(start))
  await settled()
  end.tell('machine', panicked)
  expect(await failing).toStartWith('[VMM_GUEST_PANICKED]')
})

test('a machine that ends breaks the wait for its agent off', async () => {
  const { beginning: start, end } = beginning()
  const failing = said(guestUp(start))
  end.tell('machine', panicked)
  expect(await failing).toStartWith('[VMM_GUEST_PANICKED]')
})

test('an agent that does not answer in time is told with the accelerator and the last words of its guest', async () => {
  const { beginning: start, clock } = beginning({ ready: unreachable() })
  const failing = said(guestUp(start))
  await settled()
  await clock.pass(signsMs)
  expect(await failing).toMatch(/^\[VMM_GUEST_SILENT\] .*45 s.*its last words/s)
})

test('a machine that ends while its guest is set up is told as that', async () => {
  const { beginning: start, end } = beginning()
  const failing = said(whileGuestLives(never, start))
  end.tell('machine', panicked)
  expect(await failing).toStartWith('[VMM_GUEST_PANICKED]')
})

test('what the guest refuses is told as it is', async () => {
  const { beginning: start } = beginning()
  const refused = new TtrpcError('internal', 'no such module')
  await expect(whileGuestLives(Promise.reject(refused), start)).rejects.toBe(refused)
  expect(await whileGuestLives(Promise.resolve(7), start)).toBe(7)
})

test('a guest that falls silent meanwhile is told with its last words', async () => {
  const check = () => Promise.reject(new TtrpcError('deadline_exceeded', 'no answer'))
  const { beginning: start, clock } = beginning({ check })
  const failing = said(whileGuestLives(never, start, { intervalMs: 1 }))
  while (clock.sleepers === 0) await settled()
  await clock.pass(signsMs)
  expect(await failing).toMatch(
    /^\[SANDBOX_DIED\] sandbox pod died: its guest has not answered for 30 s\..*its last words/s,
  )
})
