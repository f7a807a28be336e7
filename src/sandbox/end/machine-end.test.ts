import { describe, expect, test } from 'bun:test'
import { KataError } from '../../errors.ts'
import type { ExitInfo } from '../../rootless/jail/launch-spec.ts'
import { FakeClock, settled } from '../../time.double.ts'
import { TtrpcError } from '../../ttrpc/ttrpc.ts'
import type { VmEnd } from '../../vmm/vmm.ts'
import {
  type EndSign,
  type EndSigns,
  final,
  MachineEnd,
  outOfMemoryOf,
  precedence,
  signsMs,
} from './machine-end.ts'

const zero: ExitInfo = { code: 0, signal: null }
const panic = `[ 1.0] Kernel panic - not syncing: no init\n${'R10: 00 R11: 00\n'.repeat(100)}Kernel Offset: 0x1\n`
const endOf = (reason: VmEnd['reason'], consoleTail = ''): VmEnd => ({
  reason,
  exit: zero,
  consoleTail,
  logTail: '',
})
const signs: EndSigns = {
  asked: true,
  memory: new KataError('CGROUP_OUT_OF_MEMORY', { sandbox: 'pod', path: '/pod', limitMiB: 256 }),
  breach: new KataError(
    'AGENT_DIED',
    { endpoint: 'port', reason: 'malformed frame' },
    { cause: new TtrpcError('internal', 'malformed frame') },
  ),
  machine: endOf('reset'),
  share: { code: null, signal: 'SIGKILL' },
  agent: new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' }),
  condemned: 'its guest did not end c',
  silent: 'its guest has not answered for 30 s',
  unanswered: new KataError('VMM_GUEST_SILENT', {
    sandbox: 'pod',
    seconds: 45,
    accelerator: 'kvm',
    reason: 'asked for',
    tail: 'booting',
  }),
}

function machine({
  isUp = true,
  console = 'its last words',
  memory = undefined as KataError | undefined,
} = {}) {
  const clock = new FakeClock()
  const end = new MachineEnd({
    id: 'pod',
    program: '/usr/bin/vmm',
    clock,
    consoleTail: () => console,
    outOfMemory: () => memory,
  })
  if (isUp) end.isUp()
  let said: string | undefined
  void end.lost.then(({ message }) => {
    said = message
  })
  return { end, clock, said: () => said }
}

/** What is told of these signs, in this order, a moment between any two. */
async function told(order: readonly EndSign[], isUp: boolean): Promise<string | undefined> {
  const { end, clock, said } = machine({ isUp, ...(order.includes('memory') && { memory: signs.memory }) })
  for (const sign of order) {
    // Nobody tells of it: it is looked up.
    if (sign !== 'memory') end.tell(sign, signs[sign])
    await clock.pass(signsMs / 10)
  }
  await clock.pass(signsMs)
  return said()
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]]
  return items.flatMap((first) =>
    permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]),
  )
}

function subsets<T>([first, ...rest]: readonly T[]): T[][] {
  if (first === undefined) return [[]]
  return subsets(rest).flatMap((some) => [some, [first, ...some]])
}

/** The sentence of each cause alone, written a second time by hand. */
const sentences: readonly (readonly [EndSign, string, string])[] = [
  ['machine', '[VMM_GUEST_SHUT_DOWN] the guest of sandbox pod reset itself', 'its guest reset itself'],
  ['share', '[SANDBOX_DIED] sandbox pod died: virtiofsd ended (SIGKILL)', 'virtiofsd ended (SIGKILL)'],
  ['breach', '[AGENT_DIED]', 'the guest agent broke the protocol ('],
  ['agent', '[AGENT_DIED]', 'the guest agent went away ('],
  ['condemned', '[SANDBOX_DIED] sandbox pod died: its guest did not end c', 'its guest did not end c'],
  [
    'silent',
    '[SANDBOX_DIED] sandbox pod died: its guest has not answered',
    'its guest has not answered for 30 s',
  ],
]

describe.each(sentences)('the sign %s', (sign, starting, running) => {
  test('alone is told, by one code for a start and by another for a sandbox', async () => {
    expect(await told([sign], false)).toStartWith(starting)
    expect(await told([sign], true)).toStartWith(`[SANDBOX_DIED] sandbox pod died: ${running}`)
  })
})

test('want of memory on the host explains what came of it, in a start and later', async () => {
  expect(await told(['memory', 'machine'], false)).toStartWith('[CGROUP_OUT_OF_MEMORY]')
  expect(await told(['memory', 'share'], true)).toStartWith(
    `[SANDBOX_DIED] sandbox pod died: ${signs.memory.rawMessage}`,
  )
})

test('a death for want of memory on the host is known as one, and no other is', async () => {
  for (const memory of [signs.memory, undefined]) {
    const { end } = machine({ memory })
    end.tell('machine', endOf('exited'))
    expect(outOfMemoryOf(await end.lost)).toBe(memory!)
  }
})

test('a guest that never answered is told as that, when nothing else happened', async () => {
  expect(await told(['unanswered'], false)).toStartWith('[VMM_GUEST_SILENT]')
})

test('in every order of arrival the same sentence is told: that of the first sign in the list', async () => {
  // Of a breach and the machine's end the first to come explains the other.
  const tellable: EndSign[] = precedence.filter((sign) => sign !== 'asked' && sign !== 'breach')
  for (const isUp of [false, true])
    for (const some of subsets(tellable).filter((set) => set.some((sign) => sign !== 'memory'))) {
      const first = precedence.find((sign) => some.includes(sign))!
      const alone = await told(first === 'memory' ? ['memory', 'machine'] : [first], isUp)
      expect(alone).toBeDefined()
      // Every order of up to four; of more, every sign once at each place.
      const orders =
        some.length <= 4 ? permutations(some) : some.map((_, i) => [...some.slice(i), ...some.slice(0, i)])
      for (const order of orders) expect([order, await told(order, isUp)]).toEqual([order, alone!])
    }
}, 60_000)

test('a guest that ends because the host left it for its breach of the protocol is told by that', async () => {
  for (const lost of [signs.breach, signs.agent]) {
    const { end, clock, said } = machine()
    end.tellAgentLost(lost)
    await clock.pass(signsMs / 10)
    end.tell('machine', endOf('guest-panicked', panic))
    await settled()
    expect(said()).toContain(lost === signs.breach ? 'broke the protocol (' : 'its guest kernel panicked')
  }
  expect(await told(['machine', 'breach'], true)).toContain('its guest reset itself')
  expect(await told(['breach', 'memory', 'agent'], true)).toContain(signs.memory.rawMessage)
})

test('a connection that was closed, or a call that was given up, is no breach', async () => {
  for (const code of ['unavailable', 'cancelled'] as const) {
    const { end, clock, said } = machine()
    const cause = new TtrpcError(code, 'the connection is closed')
    end.tellAgentLost(new KataError('AGENT_DIED', { endpoint: 'port', reason: 'closed' }, { cause }))
    await clock.pass(signsMs)
    expect(said()).toContain('the guest agent went away (')
  }
})

test('only what nothing explains is told at once', async () => {
  for (const sign of precedence.filter((sign) => sign !== 'asked' && sign !== 'memory')) {
    const { end, clock, said } = machine()
    end.tell(sign, signs[sign])
    await settled()
    expect([sign, said() !== undefined]).toEqual([sign, final.has(sign)])
    await clock.pass(signsMs - 1)
    expect([sign, said() !== undefined]).toEqual([sign, final.has(sign)])
    await clock.pass(1)
    expect([sign, said() !== undefined, clock.sleepers]).toEqual([sign, true, 0])
  }
})

describe('an end that was asked for', () => {
  test('is no death, whatever breaks by it', async () => {
    expect(await told(['agent', 'share', 'asked', 'machine'], true)).toBeUndefined()
    expect(await told(['asked'], true)).toBeUndefined()
  })

  test('changes nothing of one that came before', async () => {
    expect(await told(['machine', 'asked'], true)).toContain('its guest reset itself')
  })

  test('leaves a lost call its own error, at once', async () => {
    const { end } = machine()
    end.tell('asked', true)
    expect(await end.explainLoss(signs.agent)).toBe(signs.agent)
    expect(end.isLost).toBe(false)
  })
})

describe('work that needs the machine', () => {
  const broken = () => Promise.reject(signs.agent)

  test('is all there is when it is done in time', async () => {
    const { end } = machine()
    expect(await end.during(Promise.resolve(7))).toBe(7)
    const refused = new Error('no such module')
    await expect(end.during(Promise.reject(refused))).rejects.toBe(refused)
  })

  test('fails by what became of the machine, though its connection breaks first', async () => {
    const { end, clock } = machine({ isUp: false })
    const failing = end.during(broken()).catch(({ message }) => message)
    await clock.pass(signsMs / 2)
    end.tell('machine', endOf('guest-panicked', panic))
    expect(await failing).toStartWith('[VMM_GUEST_PANICKED]')
  })

  test('is over at once when the end is asked for', async () => {
    const { end } = machine()
    const failing = end.during(new Promise(() => {})).catch(({ name }) => name)
    end.tell('asked', true)
    expect(await failing).toBe('AbortError')
  })

  test('that fails for want of memory on the host says so before any end is known', async () => {
    const { end } = machine({ memory: signs.memory })
    await expect(end.during(Promise.reject(new Error('mount failed')))).rejects.toBe(signs.memory)
  })
})

test('the signal fires with what happened', async () => {
  const { end } = machine()
  end.tell('machine', signs.machine)
  expect(end.over.reason.message).toContain('its guest reset itself')
  expect(end.isLost).toBe(true)
})

test('the reason of a panic is quoted, not the registers that follow', async () => {
  const { end, said } = machine({ console: panic })
  end.tell('machine', endOf('guest-panicked', panic))
  await settled()
  expect(said()).not.toContain('Kernel Offset')
  expect(said()!.match(/not syncing: no init/g)).toHaveLength(2)
})

test('of an agent of Kata’s, which logs that all is well, the last words are those of the kernel', async () => {
  const log = '{"msg":"updated seccomp","level":"INFO","ts":"2026-11-25T10:00:00Z","name":"kata-agent"}'
  const { end, said } = machine({ console: `[ 9.0] reboot: Power down\n${`${log}\n`.repeat(9)}` })
  end.tell('machine', endOf('shutdown'))
  await settled()
  expect(said()).toContain('reboot: Power down')
  expect(said()).not.toContain('updated seccomp')
})
