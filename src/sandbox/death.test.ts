import { describe, expect, test } from 'bun:test'
import { KataError } from '../errors.ts'
import type { ExitInfo } from '../rootless/launch-spec.ts'
import type { VmEnd } from '../vmm/vmm.ts'
import { deathOf, type Mortal } from './death.ts'

const never = new Promise<never>(() => {})
const zero: ExitInfo = { code: 0, signal: null }
const panic = `[ 1.0] Kernel panic - not syncing: no init\n${'R10: 00 R11: 00\n'.repeat(100)}Kernel Offset: 0x1\n`

function mortal({
  ended = never as Promise<VmEnd>,
  exited = never as Promise<ExitInfo>,
  closed = never as Promise<KataError>,
  consoleTail = 'its last words',
  outOfMemory = undefined as KataError | undefined,
} = {}): Mortal {
  return {
    id: 'pod',
    vmm: { ended, consoleTail: () => consoleTail },
    share: { exited },
    agent: { health: { check: async () => ({ status: 1 }) }, closed },
    cgroups: { outOfMemory: () => outOfMemory },
  } as unknown as Mortal
}

const dead = (parts: Mortal, signal = new AbortController().signal) =>
  deathOf(parts, signal).then(({ message }) => message)
const end = (reason: VmEnd['reason'], consoleTail = ''): VmEnd => ({
  ...{ reason, exit: zero, consoleTail, logTail: '' },
})

describe('a machine that goes takes virtiofsd and the agent with it', () => {
  test.each([
    [end('reset'), 'its guest reset itself'],
    [end('shutdown'), 'its guest switched itself off'],
    [end('guest-panicked', panic), 'its guest kernel panicked: Kernel panic - not syncing: no init'],
  ])('and is the cause that is told: %p', async (machine, says) => {
    const [exited, closed] = [
      Promise.resolve(zero),
      Promise.resolve(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' })),
    ]
    const ended = Bun.sleep(20).then(() => machine)
    expect(await dead(mortal({ ended, exited, closed }))).toContain(`sandbox pod died: ${says}`)
  })
})

test('the reason of a panic is quoted, not the registers that follow', async () => {
  const ended = Promise.resolve(end('guest-panicked', panic))
  const said = await dead(mortal({ ended, consoleTail: panic }))
  expect(said).not.toContain('Kernel Offset')
  expect(said.match(/not syncing: no init/g)).toHaveLength(2)
})

test('of an agent of Kata’s, which logs that all is well, the last words are those of the kernel', async () => {
  const log = '{"msg":"updated seccomp","level":"INFO","ts":"2026-11-25T10:00:00Z","name":"kata-agent"}'
  const consoleTail = `[ 9.0] reboot: Power down\n${`${log}\n`.repeat(9)}`
  const said = await dead(mortal({ ended: Promise.resolve(end('shutdown')), consoleTail }))
  expect(said).toContain('reboot: Power down')
  expect(said).not.toContain('updated seccomp')
})

test('virtiofsd that ends alone is told', async () => {
  const exited = Promise.resolve({ code: null, signal: 'SIGKILL' } as ExitInfo)
  expect(await dead(mortal({ exited }))).toContain('died: virtiofsd ended (SIGKILL)')
})

test('want of memory on the host tells more than what came of it', async () => {
  const outOfMemory = new KataError('AGENT_DIED', { endpoint: 'x', reason: 'memory' })
  const ended = Promise.resolve(end('exited'))
  expect(await dead(mortal({ ended, outOfMemory }))).toContain(outOfMemory.rawMessage)
})

test('an end that was asked for is no death', async () => {
  const ending = new AbortController()
  ending.abort()
  const ended = Promise.resolve(end('exited'))
  const told = deathOf(mortal({ ended }), ending.signal)
  expect(await Promise.race([told, Bun.sleep(20).then(() => 'nothing')])).toBe('nothing')
})

test('a machine that is condemned for what its guest does is dead', async () => {
  const condemned = Promise.resolve('its guest did not end c')
  expect(await dead({ ...mortal(), condemned })).toContain('sandbox pod died: its guest did not end c')
})
