import { expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import type { ExitInfo } from '../rootless/launch-spec.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import type { VmEnd } from '../vmm/vmm.ts'
import { type Beginning, guestUp, whileGuestLives } from './guest-up.ts'

const answers = async () => ({ status: 1 })
const never = new Promise<never>(() => {})

function beginning({
  check = answers,
  ended = never as Promise<VmEnd>,
  exited = never as Promise<ExitInfo>,
  ready = never as Promise<void>,
} = {}): Beginning {
  return {
    id: 'pod',
    vmm: { ended, consoleTail: () => 'its last words' },
    share: { exited },
    agent: { health: { check }, waitReady: () => ready },
    config: { agent: { dialTimeout: 1 }, hypervisor: { path: '/usr/bin/vmm' } },
    choice: { accelerator: 'kvm', reason: 'a guest booted with it' },
  } as unknown as Beginning
}

const panicked: VmEnd = { reason: 'guest-panicked', consoleTail: 'Kernel panic', logTail: '' }

test('a machine that ends before its agent answers is told as that, though the connection breaks first', async () => {
  const ended = Bun.sleep(20).then(() => panicked)
  const ready = Promise.reject(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' }))
  await expect(guestUp(beginning({ ended, ready }))).rejects.toThrow('[VMM_GUEST_PANICKED]')
})

test('work that is done in time is all there is', async () => {
  expect(await whileGuestLives(Promise.resolve(7), beginning())).toBe(7)
  const refused = new TtrpcError('internal', 'no such module')
  await expect(whileGuestLives(Promise.reject(refused), beginning())).rejects.toBe(refused)
})

test('a machine that ends meanwhile is told as that, though its connection breaks first', async () => {
  const ended = Bun.sleep(20).then(() => panicked)
  await expect(whileGuestLives(never, beginning({ ended }))).rejects.toThrow('[VMM_GUEST_PANICKED]')
  const broken = Promise.reject(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' }))
  await expect(whileGuestLives(broken, beginning({ ended }))).rejects.toThrow('[VMM_GUEST_PANICKED]')
})

test('virtiofsd that ends alone is told, but not when it goes with its machine', async () => {
  const exited = Promise.resolve({ code: null, signal: 'SIGKILL' } as ExitInfo)
  const ended = Bun.sleep(20).then(() => panicked)
  await expect(whileGuestLives(never, beginning({ exited, ended }))).rejects.toThrow('[VMM_GUEST_PANICKED]')
  await expect(whileGuestLives(never, beginning({ exited }))).rejects.toThrow(
    '[SANDBOX_DIED] sandbox pod died: virtiofsd ended (SIGKILL)',
  )
})

test('a guest that falls silent meanwhile is told with its last words', async () => {
  const check = () => Promise.reject(new TtrpcError('deadline_exceeded', 'no answer'))
  await expect(whileGuestLives(never, beginning({ check }), { intervalMs: 1 })).rejects.toThrow(
    /^\[SANDBOX_DIED\] sandbox pod died: its guest has not answered for 30 s\..*its last words/s,
  )
})
