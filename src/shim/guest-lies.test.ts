/** Answers that are well formed and not true end as an error of ours or as a value within bounds. */
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { Glob } from 'bun'
import type { AgentClient } from '../agent/client.ts'
import { type HostCall, hostCalls } from '../agent/host-calls.double.ts'
import { posing, rude } from '../agent/lying-agent.double.ts'
import { AgentServiceDefinition } from '../protocol/generated/agent.ts'
import { Metrics as MetricsV1 } from '../protocol/generated/containerd/cgroups_v1.ts'
import { Metrics as MetricsV2 } from '../protocol/generated/containerd/cgroups_v2.ts'
import { HealthDefinition } from '../protocol/generated/health.ts'
import { type MessageType, TtrpcError } from '../ttrpc/ttrpc.ts'
import { uses } from './guest-lies.double.ts'
import { toMetrics } from './statistics/stats.ts'

const { methods } = AgentServiceDefinition
const typeOf = (call: HostCall): MessageType<unknown> =>
  call === 'check' ? HealthDefinition.methods.check.responseType : methods[call].responseType

/** An agent with one method, whose answer went over the wire; input that failed is closed beside it. */
function agentThatSays(call: HostCall, answer: object | Error) {
  const type = typeOf(call)
  const say = async () => {
    if (answer instanceof Error) throw answer
    return type.decode(type.encode(type.fromPartial(answer)).finish())
  }
  return { closeStdin: async () => ({}), [call]: say } as never
}

/** The outcome: a value, or the words of an error that is ours or the guest's. */
async function madeOf(call: keyof typeof uses, answer: object | Error): Promise<unknown> {
  return uses[call](agentThatSays(call, answer)).catch((error) => {
    if (error instanceof TypeError || error instanceof RangeError) throw error
    return String(error)
  })
}

test('every call that the host makes has a row, and there is no other row', () => {
  const names: HostCall[] = ['check', ...(Object.keys(methods) as (keyof typeof methods)[])]
  const sources = [...new Glob('**/*.ts').scanSync(`${import.meta.dir}/..`)]
    .filter((path) => !/\.(test|double)\.ts$|^protocol\/generated|^ttrpc\//.test(path))
    .map((path) => readFileSync(`${import.meta.dir}/../${path}`, 'utf8'))
    .join('\n')
  const isCalled = (name: HostCall) =>
    name === 'check' ? /health\.check\(/.test(sources) : new RegExp(`\\.${name}\\(|'${name}'`).test(sources)
  expect(names.filter(isCalled).sort()).toEqual([...hostCalls].sort())
  expect(Object.keys(uses).sort()).toEqual([...hostCalls].sort())
})

/** Calls whose answer the host reads. */
const looked = [
  ...(['check', 'getGuestDetails', 'getOOMEvent', 'getMetrics', 'statsContainer', 'waitProcess'] as const),
  ...(['readStdout', 'readStderr', 'writeStdin', 'getDiagnosticData', 'getVolumeStats'] as const),
]

describe('nothing is read of the answer to', () => {
  const unread = hostCalls.filter((call) => !looked.some((other) => other === call))
  const trap = new Proxy(
    {},
    {
      get(_, name) {
        // A promise asks its value for this.
        if (name === 'then') return undefined
        throw new Error(`${String(name)} was read`)
      },
    },
  )
  test.each(unread)('%s', async (call) => {
    let asked = 0
    const agent = {
      async [call]() {
        asked++
        return trap
      },
    }
    await uses[call](agent as unknown as AgentClient & { check(): Promise<unknown> })
    expect(asked).toBe(1)
  })

  test('control: of the others it is', async () => {
    const agent = { waitProcess: async () => trap }
    await expect(uses.waitProcess(agent as never)).rejects.toThrow('status was read')
  })
})

describe('an exit status', () => {
  test.each([-1, 256, 2 ** 31 - 1, -(2 ** 31)])('of %d is that of a lost process', async (status) => {
    expect(await madeOf('waitProcess', { status })).toBe(255)
  })
})

test('figures of a volume are one line for each unit, and its message is plain text', async () => {
  const line = { available: 1n, total: 2n, used: 3n }
  const usage = [2, 1, 1, 0, 77].flatMap((unit) => Array.from({ length: 1000 }, () => ({ ...line, unit })))
  const message = `\u001b[2J${'x'.repeat(1000)}`
  const stats = await madeOf('getVolumeStats', { usage, volumeCondition: { abnormal: true, message } })
  expect(stats).toEqual({
    usage: [1, 2].map((unit) => ({ ...line, unit })),
    volumeCondition: { abnormal: true, message: ` [2J${'x'.repeat(252)}` },
  })
})

describe('a termination message', () => {
  test('of any length is cut at 4096 bytes', async () => {
    expect(await madeOf('getDiagnosticData', { data: 'x'.repeat(10_000) })).toBe('x'.repeat(4096))
  })

  test('that the guest does not give is none', async () => {
    expect(await madeOf('getDiagnosticData', { data: '' })).toBe('')
    expect(await madeOf('getDiagnosticData', new TtrpcError('internal', posing))).toBe('')
  })
})

describe('a stream', () => {
  const data = (bytes: number) => ({ data: new Uint8Array(bytes) })
  test.each(['readStdout', 'readStderr'] as const)(
    'of longer pieces than were asked for ends: %s',
    async (call) => {
      expect(await madeOf(call, data(64 * 1024 + 1))).toMatch(
        /AGENT_MISBEHAVED.* 65537 bytes, asked for 65536/,
      )
    },
  )

  test.each(['readStdout', 'readStderr'] as const)(
    'without end goes as far as its reader: %s',
    async (call) => {
      expect(await madeOf(call, data(64 * 1024))).toBe(
        'Error: a reader that has had enough after 1114112 bytes',
      )
    },
  )

  test.each([0, 2, 2 ** 32 - 1])('of which the guest took %d of 1 bytes ends', async (len) => {
    expect(await madeOf('writeStdin', { len })).toMatch(/AGENT_MISBEHAVED.*it took \d+ of 1 bytes/)
  })

  test('whose reads and writes have no answer is over with its process', async () => {
    const given: (AbortSignal | undefined)[] = []
    const never = (_: object, { signal }: { signal?: AbortSignal } = {}) => {
      given.push(signal)
      return new Promise<never>(() => {})
    }
    const { Container } = await import('../sandbox/container.ts')
    const agent = { readStdout: never, writeStdin: never, waitProcess: async () => ({ status: 0 }) }
    const { init } = new Container(
      'c',
      agent as never,
      { agentFacts: { name: 'kata-ts' }, resources: {} } as never,
    )
    void init.output('stdout', async () => {})
    void init.input(
      (async function* () {
        yield Uint8Array.of(1)
      })(),
    )
    await Bun.sleep(0)
    expect(given.map((signal) => signal?.aborted)).toEqual([false, false])
    expect(await init.wait()).toBe(0)
    expect(given.map((signal) => signal?.aborted)).toEqual([true, true])
  })
})

describe('a guest that says of itself', () => {
  test.each([1n, 3n << 20n, 1n << 20n, 1n << 35n, (1n << 64n) - 1n])(
    'memory blocks of %d bytes is refused',
    async (memBlockSizeBytes) => {
      expect(await madeOf('getGuestDetails', { memBlockSizeBytes })).toContain('[AGENT_MISBEHAVED]')
    },
  )

  test('a version and features of escapes has 64 plain characters', async () => {
    const agentDetails = { version: rude.repeat(1000), extraFeatures: [rude, '__proto__', 'kata-ts\n'] }
    const made = (await madeOf('getGuestDetails', { agentDetails })) as { version: string }
    expect(made).toMatchObject({ name: 'kata', seccomp: false, memoryBlockMiB: 128 })
    expect(made.version).toMatch(/^[ -~]{64}$/)
  })
})

describe('the health check', () => {
  const answers = [{ status: 0 }, { status: 2 }, { status: 99 }]
  const no = (code: 'internal' | 'unavailable' | 'deadline_exceeded') =>
    new TtrpcError(code, posing, { isAnswer: true })
  const garbled = new TtrpcError('internal', 'answer of grpc.Health/Check not understood')
  test.each([...answers, no('internal'), no('unavailable'), no('deadline_exceeded'), garbled])(
    'goes on after the answer %o',
    async (answer) => {
      expect(await madeOf('check', answer)).toBe(4)
    },
  )
})

describe('an event of want of memory', () => {
  const strangers = ['somebody-elses', '../c', 'c\n', '', '__proto__', rude, 'c'.repeat(60_000)]
  test.each(strangers.map((id) => [id.slice(0, 30), id]))(
    'in the container %j is not told',
    async (_, containerId) => {
      expect(await madeOf('getOOMEvent', { containerId: containerId! })).toEqual([])
    },
  )

  test('without end is told once for each pause, and errors in its place cost one, too', async () => {
    expect(await madeOf('getOOMEvent', { containerId: 'c' })).toEqual(['c', 'c', 'c'])
    expect(await madeOf('getOOMEvent', new TtrpcError('internal', posing))).toEqual([])
  })
})

describe('metrics', () => {
  const line = (device: string, driver: string, lacks = 'driver') =>
    `kata_agent_passed_device{device="${device}",driver="${driver}",lacks="${lacks}"} 0\n`
  test.each([
    ['of another device', line('0000:02:00.0', 'x')],
    ['of a driver of escapes', line('0000:01:00.0', rude)],
    ['of a long driver', line('0000:01:00.0', 'x'.repeat(33))],
    ['of what there is not', line('0000:01:00.0', 'x', rude)],
    ['of quotes without end', 'kata_agent_passed_device{device="'.repeat(30_000)],
  ])('%s are none', async (_what, metrics) => {
    expect(await madeOf('getMetrics', { metrics })).toEqual([])
  })

  test('control: those that look as they should are a warning', async () => {
    const warnings = (await madeOf('getMetrics', { metrics: line('0000:01:00.0', 'x') })) as string[]
    expect(warnings).toEqual([expect.stringContaining('device 0000:01:00.0')])
  })

  test('of one device without end are one warning', async () => {
    const metrics = Array.from({ length: 10_000 }, (_, n) => line('0000:01:00.0', `x${n}`)).join('')
    expect(await madeOf('getMetrics', { metrics })).toEqual([expect.stringContaining('device 0000:01:00.0')])
  })
})

describe('statistics', () => {
  const most = (1n << 64n) - 1n
  const entry = { major: most, minor: most, op: rude.repeat(100), value: most }
  const usage = { usage: most, maxUsage: most, failcnt: most, limit: most }
  const answer = {
    cgroupStats: {
      cpuStats: {
        cpuUsage: { totalUsage: most, usageInKernelmode: most, percpuUsage: [most] },
        throttlingData: { throttledTime: most },
      },
      memoryStats: {
        cache: most,
        usage,
        swapUsage: usage,
        kernelUsage: usage,
        stats: { anon: most, __proto__: most, [rude]: most },
      },
      pidsStats: { current: most, limit: most },
      blkioStats: { ioServiceBytesRecursive: [entry], ioServicedRecursive: [{ ...entry, op: 'read' }] },
      hugetlbStats: { ['__proto__']: usage, [rude]: usage },
    },
    networkStats: [{ name: rude.repeat(100), rxBytes: most, txDropped: most }],
  }

  test.each([
    ['v1', false, MetricsV1],
    ['v2', true, MetricsV2],
  ] as const)(
    'of the largest numbers and of escapes are those of cgroup %s, in plain words',
    async (_version, unified, type) => {
      const stats = await madeOf('statsContainer', answer)
      const { value } = await toMetrics(stats as never, unified)
      const words: string[] = []
      JSON.stringify(type.decode(value), (key, found) => {
        words.push(key, ...(typeof found === 'string' ? [found] : []))
        return typeof found === 'bigint' ? String(found) : found
      })
      expect(words.filter((word) => !/^[ -~]{0,40}$/.test(word))).toEqual([])
      expect(words.length).toBeGreaterThan(20)
      expect(({} as Record<string, unknown>).usage).toBeUndefined()
    },
  )
})

test('a guest that does not let go of a container keeps nothing of it on the host but what it may be writing to', async () => {
  const { Container } = await import('../sandbox/container.ts')
  const removed: unknown[] = []
  const refuse = async () => {
    throw new TtrpcError('internal', 'the guest says: no', { isAnswer: true })
  }
  const surroundings = {
    agentFacts: { name: 'kata' },
    resources: {},
    remove: async (how: unknown) => void removed.push(how),
  }
  const container = new Container('c', { removeContainer: refuse } as never, surroundings as never)
  await expect(container.remove()).rejects.toThrow('the guest says: no')
  expect(removed).toEqual([{ isHeld: true }])
})
