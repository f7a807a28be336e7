import { describe, expect, test } from 'bun:test'
import type { OciResources } from '../oci/resources.ts'
import { CgroupStats } from '../protocol/generated/agent.ts'
import { type LinuxResources, Spec } from '../protocol/generated/oci.ts'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { Container, createInGuest } from './container.ts'

/** A container with these limits, what its guest was told of changes and did not refuse by `check`, and what its machine was sized for. */
function containerWith(
  resources: OciResources,
  { check = () => {}, facts = { name: 'kata-ts', version: '' }, pidsLimit = 0n, used = 0n } = {},
) {
  const told: LinuxResources[] = []
  const sized: OciResources[] = []
  const agent = {
    updateContainer: async (request: { resources: LinuxResources }) => {
      check()
      told.push(request.resources)
    },
    statsContainer: async () => ({
      cgroupStats: { pidsStats: { limit: pidsLimit }, memoryStats: { usage: { usage: used } } },
    }),
  }
  const surroundings = {
    pid: 1,
    guestId: 'c',
    agentFacts: facts,
    resources,
    resize: async (merged: OciResources) => void sized.push(merged),
  }
  return { container: new Container('c', agent as never, surroundings as never), told, sized }
}

describe('an exec whose start is not answered', () => {
  /** What the guest is asked when the start of an exec fails by `failure`. */
  const askedAfter = async (failure: TtrpcError) => {
    const asked: string[] = []
    const signalled = Promise.withResolvers<void>()
    const agent = {
      execProcess: () => Promise.reject(failure),
      signalProcess: async ({ execId, signal }: { execId: string; signal: number }) => {
        asked.push(`kill ${execId} ${signal}`)
        await signalled.promise
      },
      waitProcess: async ({ execId }: { execId: string }) => {
        asked.push(`wait ${execId}`)
        return { status: 137 }
      },
    }
    const surroundings = { guestId: 'c', agentFacts: { name: 'kata-ts' }, resources: {} }
    const exec = new Container('c', agent as never, surroundings as never).exec('e', {
      args: ['x'],
      cwd: '/',
    })
    await expect(exec.start()).rejects.toBe(failure)
    signalled.resolve()
    await Bun.sleep(0)
    return asked
  }

  test('is ended, should it come to run after all', async () => {
    expect(await askedAfter(new TtrpcError('deadline_exceeded', 'no answer'))).toEqual(['kill e 9', 'wait e'])
  })

  test('and no other', async () => {
    const answer = new TtrpcError('deadline_exceeded', 'crun did not end', { isAnswer: true })
    expect(await askedAfter(answer)).toEqual([])
  })
})

describe('the figures of a guest that does not answer', () => {
  const late = new TtrpcError('deadline_exceeded', 'no answer in time')
  const hostUsage = () => CgroupStats.fromPartial({ pidsStats: { current: 7n } })

  /** A container whose guest leaves the question without an answer, or fails by `failure`, and how long it was given. */
  const silent = (more: { hostUsage?: typeof hostUsage } = {}, failure = late) => {
    const patience: (number | undefined)[] = []
    const agent = {
      statsContainer: async (_: object, { timeoutMs }: { timeoutMs?: number } = {}) => {
        patience.push(timeoutMs)
        throw failure
      },
    }
    const surroundings = { guestId: 'c', agentFacts: { name: 'kata-ts' }, resources: {}, ...more }
    return { container: new Container('c', agent as never, surroundings as never), patience }
  }

  test('are an error, in less time than clients have for it', async () => {
    const { container, patience } = silent()
    await expect(container.stats()).rejects.toBe(late)
    expect(patience[0]).toBeLessThan(10_000)
  })

  test("are the host's for a pod's own container, as always", async () => {
    const { container } = silent({ hostUsage })
    expect(await container.stats()).toMatchObject({ cgroupStats: hostUsage(), networkStats: [] })
  })

  test('and not where it says why, or is gone', async () => {
    const answer = new TtrpcError('internal', 'no such cgroup', { isAnswer: true })
    for (const failure of [answer, new Error('the connection is lost') as TtrpcError])
      await expect(silent({ hostUsage }, failure).container.stats()).rejects.toBe(failure)
  })
})

describe('a change of limits', () => {
  test.each<[string, OciResources['cpu'], OciResources['cpu'], object]>([
    [
      'of the quota keeps the period',
      { quota: 25_000, period: 50_000 },
      { quota: 50_000 },
      [50_000n, 50_000n],
    ],
    [
      'of the period keeps the quota',
      { quota: 25_000, period: 50_000 },
      { period: 100_000 },
      [25_000n, 100_000n],
    ],
    [
      'with a zero for what stays',
      { quota: 25_000, period: 50_000 },
      { quota: 0, period: 100_000 },
      [25_000n, 100_000n],
    ],
    ['that lifts the quota names a period', {}, { quota: -1 }, [-1n, 100_000n]],
    ['of the period alone sets no quota', {}, { period: 50_000 }, [0n, 50_000n]],
    ['of shares touches neither', { quota: 25_000, period: 50_000 }, { shares: 7 }, [0n, 0n]],
  ])('%s', async (_what, before, changes, expected) => {
    const { container, told } = containerWith({ cpu: before! })
    await container.update({ cpu: changes! })
    expect([told[0]?.cpu?.quota, told[0]?.cpu?.period]).toEqual(expected as never)
  })

  test('of memory to less than is used is refused for a client that asks for that', async () => {
    const { container, told, sized } = containerWith({}, { used: 2n << 20n })
    const change = (limit: number, checkBeforeUpdate = true) =>
      container.update({ memory: { limit, checkBeforeUpdate } })
    await expect(change(1 << 20)).rejects.toThrow(
      '[MEMORY_LIMIT_IN_USE] the memory limit of container c was not changed: it uses 2097152 bytes, and the new limit is 1048576',
    )
    expect([told, sized]).toEqual([[], []])
    for (const [limit, check] of [[-1], [2 << 20], [1 << 20, false]] as const) await change(limit, check)
    expect(told.map(({ memory }) => memory?.limit)).toEqual([-1n, 2n << 20n, 1n << 20n])
  })

  test('the machine is sized for what is in force', async () => {
    const { container, sized } = containerWith({ cpu: { quota: 25_000, period: 50_000 } })
    await container.update({ cpu: { quota: 0, period: 100_000, shares: 7 } })
    expect(sized).toEqual([{ cpu: { quota: 25_000, period: 100_000, shares: 7 } }])
  })

  test('zero and an empty text change neither the machine nor where it runs', async () => {
    const inForce = { cpu: { quota: 25_000, period: 50_000, cpus: '0-3', mems: '0' }, memory: { limit: 100 } }
    const { container, sized } = containerWith(inForce)
    await container.update({ cpu: { quota: 0, period: 0, cpus: '', mems: '' }, memory: { limit: 0 } })
    await container.update({ memory: { limit: -1 } })
    expect(sized).toEqual([inForce, { ...inForce, memory: { limit: -1 } }])
  })

  test('a new cpuset keeps the lifted quota, and the other way round', async () => {
    const { container, sized } = containerWith({ cpu: { quota: 400_000, period: 100_000, cpus: '0-7' } })
    // A kubelet that resizes a pod changes the limits first, and its CPU manager the processors afterwards.
    await container.update({ cpu: { quota: -1, period: 100_000, shares: 4096 } })
    await container.update({ cpu: { cpus: '0-3' } })
    await container.update({ cpu: { cpus: '0-5' } })
    expect(sized.map(({ cpu }) => [cpu?.quota, cpu?.cpus])).toEqual([
      [-1, '0-7'],
      [-1, '0-3'],
      [-1, '0-5'],
    ])
  })

  test('what the guest has refused is not taken along by a later change', async () => {
    let refuses = true
    const check = () => {
      if (refuses) throw new TtrpcError('invalid_argument', 'no such quota', { isAnswer: true })
    }
    const { container, told } = containerWith({ cpu: { quota: 25_000, period: 50_000 } }, { check })
    await expect(container.update({ cpu: { quota: 1 } })).rejects.toThrow('no such quota')
    refuses = false
    await container.update({ cpu: { period: 100_000 } })
    expect(told).toMatchObject([{ cpu: { quota: 25_000n, period: 100_000n } }])
  })

  test('at the same time as another is added to it: the machine is sized for both', async () => {
    const { container, sized } = containerWith({})
    await Promise.all([
      container.update({ cpu: { quota: 400_000, period: 100_000 } }),
      container.update({ memory: { limit: 2 << 20 } }),
    ])
    expect(sized.at(-1)).toEqual({
      cpu: { quota: 400_000, period: 100_000 },
      memory: { limit: 2 << 20 },
    })
  })

  test('that the guest refuses leaves the machine as it was, and holds up no other', async () => {
    let refuses = true
    const check = () => {
      if (refuses) throw new TtrpcError('invalid_argument', 'no such limit', { isAnswer: true })
    }
    const { container, sized } = containerWith({ memory: { limit: 1 << 20 } }, { check })
    await expect(container.update({ memory: { limit: 4 << 20 } })).rejects.toThrow('no such limit')
    expect(sized.at(-1)).toEqual({ memory: { limit: 1 << 20 } })
    refuses = false
    await container.update({ cpu: { shares: 7 } })
    expect(sized.at(-1)).toEqual({ memory: { limit: 1 << 20 }, cpu: { shares: 7 } })
  })

  test('that the guest does not answer may be in force: the machine stays large enough', async () => {
    const check = () => {
      throw new TtrpcError('unavailable', 'the connection was lost', { isAnswer: false })
    }
    const { container, sized } = containerWith({ memory: { limit: 1 << 20 } }, { check })
    await expect(container.update({ memory: { limit: 4 << 20 } })).rejects.toThrow('was lost')
    expect(sized).toEqual([{ memory: { limit: 4 << 20 } }])
  })

  test.each([
    ['is in force', 7n, undefined],
    ['was taken and not set', 0n, 'AGENT_NO_PIDS_LIMIT'],
  ])('of processes that %s', async (_what, limit, code) => {
    const { container } = containerWith({}, { facts: { name: 'other', version: '1' }, pidsLimit: limit })
    const outcome = await container.update({ pids: { limit: 7 } }).catch((error) => error.code)
    expect(outcome).toBe(code)
  })

  test('rules of devices stay those of the guest: what clients send along has numbers of the host', async () => {
    const rule = { allow: true, type: 'b', major: 8, minor: 16, access: 'rwm' }
    const { container, told } = containerWith({ devices: [rule] })
    await container.update({ devices: [{ allow: false, access: 'rwm' }, rule], memory: { limit: 1 << 20 } })
    expect(told[0]).toMatchObject({ devices: [], memory: { limit: 1_048_576n } })
  })
})

describe('a container that its guest does not make', () => {
  const failing = async (failure: unknown) => {
    const removed: string[] = []
    const agent = {
      createContainer: () => Promise.reject(failure),
      removeContainer: async ({ containerId }: { containerId: string }) => void removed.push(containerId),
    }
    const request = { containerId: 'c', oci: Spec.fromPartial({}) }
    const limits = { timeoutMs: 1000, facts: { name: 'kata-ts' } }
    await expect(createInGuest(agent as never, request, limits as never)).rejects.toBe(failure as never)
    return removed
  }

  test('in time is removed there before the host takes back what it had: the guest may be at it still', async () => {
    expect(await failing(new TtrpcError('deadline_exceeded', 'no answer in time'))).toEqual(['c'])
  })

  test('for a reason that it tells has left nothing there', async () => {
    expect(await failing(new TtrpcError('internal', 'crun says no', { isAnswer: true }))).toEqual([])
    expect(await failing(new Error('the connection is lost'))).toEqual([])
  })

  test('with the limit of processes that was asked for is removed there', async () => {
    const removed: string[] = []
    const agent = {
      createContainer: async () => {},
      statsContainer: async () => ({ cgroupStats: { pidsStats: { limit: 0n } } }),
      removeContainer: async ({ containerId }: { containerId: string }) => void removed.push(containerId),
    }
    const oci = Spec.fromPartial({ linux: { resources: { pids: { limit: 7n } } } })
    const limits = { timeoutMs: 1000, facts: { name: 'other', version: '1' } }
    const made = createInGuest(agent as never, { containerId: 'c', oci }, limits as never)
    await expect(made).rejects.toMatchObject({ code: 'AGENT_NO_PIDS_LIMIT' })
    expect(removed).toEqual(['c'])
  })
})

describe('removal', () => {
  const removing = async (answer: () => Promise<void>) => {
    let removed = 'nothing' as 'nothing' | 'all' | 'what is not held'
    const surroundings = {
      pid: 1,
      guestId: 'c',
      agentFacts: { name: 'kata-ts' },
      resources: {},
      remove: async ({ isHeld = false } = {}) => {
        removed = isHeld ? 'what is not held' : 'all'
      },
    }
    const container = new Container('c', { removeContainer: answer } as never, surroundings as never)
    const outcome = await container.remove().catch((error) => error)
    return { removed, outcome }
  }

  test('takes from the host what the container had', async () => {
    expect(await removing(async () => {})).toEqual({ removed: 'all', outcome: undefined })
  })

  test.each([
    ['refuses', new TtrpcError('internal', 'I keep it', { isAnswer: true })],
    ['is still writing its disks back', new TtrpcError('deadline_exceeded', 'no answer within 60000 ms')],
  ])('takes it when the guest %s, but for what the guest holds', async (_, failure) => {
    expect(await removing(() => Promise.reject(failure))).toEqual({
      removed: 'what is not held',
      outcome: failure,
    })
  })

  test('of a container whose machine is lost is left to the teardown', async () => {
    const loss = new Error('the connection is lost')
    expect(await removing(() => Promise.reject(loss))).toEqual({ removed: 'nothing', outcome: loss })
  })
})

test('a further process has none of the host’s labels: the guest has no such profiles', async () => {
  const asked: { process: { args: string[]; apparmorProfile: string; selinuxLabel: string } }[] = []
  const agent = { execProcess: async (request: (typeof asked)[number]) => void asked.push(request) }
  const surroundings = { pid: 1, guestId: 'c', agentFacts: { name: 'kata-ts' }, resources: {} }
  const container = new Container('c', agent as never, surroundings as never)
  const labels = { apparmorProfile: 'docker-default', selinuxLabel: 'system_u:system_r:container_t:s0' }
  const user = { uid: 0, gid: 0 }
  await container.exec('e', { args: ['/bin/true'], cwd: '/', user, ...labels } as never).start()
  expect(asked).toMatchObject([{ process: { args: ['/bin/true'], apparmorProfile: '', selinuxLabel: '' } }])
})

describe('a pause that the guest did not answer in time', () => {
  const pausing = (failure: TtrpcError) => {
    const asked: string[] = []
    const agent = {
      pauseContainer: () => Promise.reject(failure),
      resumeContainer: async ({ containerId }: { containerId: string }) => {
        asked.push(`resume ${containerId}`)
        throw failure
      },
    }
    const surroundings = { pid: 1, guestId: 'c', agentFacts: { name: 'kata-ts' }, resources: {} }
    const container = new Container('c', agent as never, surroundings as never)
    return { outcome: container.pause().catch((error) => error), asked }
  }

  test('is taken back: the guest would stop the container yet, which counts as running', async () => {
    const late = new TtrpcError('deadline_exceeded', 'no answer within 60000 ms')
    const { outcome, asked } = pausing(late)
    expect(await outcome).toBe(late)
    expect(asked).toEqual(['resume c'])
  })

  test('is none where the guest says that it does not work', async () => {
    const refusal = new TtrpcError('deadline_exceeded', 'it did not stop', { isAnswer: true })
    const { outcome, asked } = pausing(refusal)
    expect(await outcome).toBe(refusal)
    expect(asked).toEqual([])
  })
})
