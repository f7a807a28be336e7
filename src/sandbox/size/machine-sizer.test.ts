import { expect, test } from 'bun:test'
import type { PodLimits } from '../../cgroups/pod-limits.ts'
import type { Config } from '../../config/config.ts'
import { silentLogger } from '../../log.ts'
import { FakeClock, settled } from '../../time.double.ts'
import type { MachineSize } from '../../vmm/vmm.ts'
import { MachineSizer, type MachineSizerParts } from './machine-sizer.ts'

const MiB = 1024 * 1024
const demand = (vcpus: number, memoryMiB: number) => ({ vcpus, memoryBytes: memoryMiB * MiB })

/** A machine that does as it is told up to `most`, and a guest; both tell what was asked. */
function stage({
  most = { vcpus: 8, memoryMiB: 1 << 30 },
  shrinks = true,
  /** Most that the guest gives up in the time that it has. */
  givesUpMiB = 1 << 30,
  keepsProcessors = false,
  isStatic = false,
  memoryBlockMiB = 128,
  failures = 0,
  podLimits = {} as PodLimits,
} = {}) {
  const asked: MachineSize[] = []
  const allowed: number[] = []
  const online: object[] = []
  /** What the machine had each time that something had come back. */
  const takenBackTo: MachineSize[] = []
  const clock = new FakeClock()
  const guest = { shrinks, meanwhile: () => {} }
  let placed = 0
  const over = new AbortController()
  let now: MachineSize = { vcpus: 1, memoryMiB: 256 }
  const config = {
    hypervisor: { defaultVcpus: 1, defaultMemory: 256, defaultMaxMemory: 1 << 20 },
    runtime: { staticSandboxResourceMgmt: isStatic },
  } as Config
  const sizer = new MachineSizer({
    config,
    vmm: {
      get vcpus() {
        return now.vcpus
      },
      async resize(size) {
        // What the host allows has grown first.
        expect(allowed.at(-1)).toBe(size.memoryMiB)
        asked.push(size)
        guest.meanwhile()
        if (size.memoryMiB > most.memoryMiB) throw new Error('no room')
        const least = guest.shrinks ? now.memoryMiB - givesUpMiB : now.memoryMiB
        const memoryMiB = Math.max(least, size.memoryMiB)
        const vcpus = keepsProcessors ? Math.max(now.vcpus, size.vcpus) : size.vcpus
        now = { vcpus: Math.min(vcpus, most.vcpus), memoryMiB }
        return now
      },
    },
    agent: {
      onlineCPUMem: async (request: object) => {
        online.push(request)
        if (failures-- > 0) throw new Error('1 of 2 processors came online')
      },
    } as unknown as MachineSizerParts['agent'],
    boot: now,
    memoryBlockMiB,
    podLimits: () => podLimits,
    onGrowing: ({ memoryMiB }) => void allowed.push(memoryMiB),
    onResized: async () => void placed++,
    onTakenBack: async () => void takenBackTo.push(now),
    over: over.signal,
    log: silentLogger,
    clock,
  })
  /** Until the guest has been asked for what is too much, `ms` milliseconds later. */
  const takenBack = async (ms = 0) => {
    await settled()
    await clock.pass(ms)
  }
  const giveUp = () => {
    now = { ...now, vcpus: now.vcpus - 1 }
  }
  return { sizer, asked, online, giveUp, takenBack, takenBackTo, clock, over, guest, placed: () => placed }
}

test('a processor that the guest gave up late is missing for the next container, which gets it and has it online', async () => {
  const { sizer, asked, online, giveUp, takenBack } = stage({ keepsProcessors: true })
  await sizer.demand('a', demand(1, 0))
  sizer.forget('a')
  await takenBack()
  expect(sizer.size.vcpus).toBe(2)
  await sizer.demand('b', demand(1, 0))
  // As long as it is there, nothing is asked.
  expect(asked.splice(0)).toHaveLength(2)
  sizer.forget('b')
  await takenBack()
  giveUp()
  expect(sizer.size.vcpus).toBe(1)
  online.length = asked.length = 0
  await sizer.demand('c', demand(1, 0))
  expect(asked).toMatchObject([{ vcpus: 2 }])
  expect(online).toEqual([{ nbCpus: 1, wait: true, cpuOnly: true }])
})

test('a container makes the machine grow by whole memory blocks, and its end gives them back', async () => {
  const { sizer, asked, online, takenBack } = stage()
  await sizer.demand('a', demand(2, 200))
  expect(asked).toEqual([{ vcpus: 3, memoryMiB: 512 }])
  expect(online).toEqual([{ nbCpus: 2, wait: true, cpuOnly: false }])
  sizer.forget('a')
  await takenBack()
  expect(sizer.size).toEqual({ vcpus: 1, memoryMiB: 256 })
})

test('a guest that gives memory up slowly is asked for as long as some of it comes back', async () => {
  const { sizer, asked, takenBack } = stage({ givesUpMiB: 128 })
  await sizer.demand('a', demand(0, 384))
  asked.length = 0
  sizer.forget('a')
  await takenBack()
  expect(asked).toHaveLength(3)
  expect(sizer.size.memoryMiB).toBe(256)
})

test('a guest that gives nothing up at first is asked again, some times', async () => {
  const { sizer, asked, takenBack, takenBackTo, clock, guest } = stage({ shrinks: false })
  await sizer.demand('a', demand(0, 384))
  sizer.forget('a')
  await takenBack()
  expect(sizer.size.memoryMiB).toBe(640)
  expect(takenBackTo).toEqual([])
  guest.shrinks = true
  await takenBack(2000)
  expect(sizer.size.memoryMiB).toBe(256)
  expect(takenBackTo).toEqual([{ vcpus: 1, memoryMiB: 256 }])
  expect(clock.sleepers).toBe(0)

  guest.shrinks = false
  await sizer.demand('b', demand(0, 384))
  sizer.forget('b')
  asked.length = 0
  for (let _ = 0; _ < 10; _++) await takenBack(60_000)
  expect(asked).toHaveLength(5)
  expect(clock.sleepers).toBe(0)
})

test('a time that fails is not the last: the VMM is asked again later', async () => {
  const { sizer, takenBack, clock, guest } = stage()
  await sizer.demand('a', demand(0, 384))
  guest.meanwhile = () => {
    throw new Error('the VMM did not answer in time')
  }
  sizer.forget('a')
  await takenBack()
  expect(sizer.size.memoryMiB).toBe(640)
  guest.meanwhile = () => {}
  await takenBack(2000)
  expect(sizer.size.memoryMiB).toBe(256)
  expect(clock.sleepers).toBe(0)
})

test('a container that comes after one whose machine could not grow gets its size', async () => {
  const { sizer, guest } = stage()
  guest.meanwhile = () => {
    guest.meanwhile = () => {}
    throw new Error('the VMM did not answer in time')
  }
  const outcomes = await Promise.allSettled(['a', 'b'].map((id) => sizer.demand(id, demand(1, 128))))
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  expect(sizer.size).toEqual({ vcpus: 2, memoryMiB: 384 })
})

test('what the machine got for a container that it then refused is taken back', async () => {
  const { sizer, asked, takenBack } = stage({ most: { vcpus: 8, memoryMiB: 8192 } })
  await expect(sizer.demand('a', demand(0, 16_384))).rejects.toThrow('no room')
  expect(asked.map(({ memoryMiB }) => memoryMiB)).toEqual([4352, 16_640])
  await takenBack()
  expect(sizer.size.memoryMiB).toBe(256)
})

test('processors that the guest gave up between two times are seen to be gone', async () => {
  const { sizer, giveUp, takenBack, takenBackTo } = stage({ keepsProcessors: true })
  await sizer.demand('a', demand(1, 0))
  sizer.forget('a')
  await takenBack()
  expect(takenBackTo).toEqual([])
  giveUp()
  await takenBack(2000)
  expect(takenBackTo).toEqual([{ vcpus: 1, memoryMiB: 256 }])
})

test('a container that comes while the guest gives memory up waits for no more than it gives up at once', async () => {
  const { sizer, asked, clock } = stage({ givesUpMiB: 128 })
  await sizer.demand('a', demand(0, 512))
  asked.length = 0
  sizer.forget('a')
  await settled()
  const taken = clock.pass(0)
  // While the guest is asked for the first time.
  while (asked.length === 0) await Promise.resolve()
  await sizer.demand('b', demand(0, 384))
  await taken
  expect(asked).toHaveLength(1)
  expect(sizer.size.memoryMiB).toBe(640)
})

test('a machine that has less than its containers need, and can have no more, is asked once', async () => {
  const { sizer, asked, takenBack, clock } = stage({ most: { vcpus: 2, memoryMiB: 1 << 30 } })
  await sizer.demand('a', demand(4, 0))
  expect(sizer.size.vcpus).toBe(2)
  for (let _ = 0; _ < 10; _++) await takenBack(60_000)
  expect(asked).toHaveLength(1)
  expect(clock.sleepers).toBe(0)
})

test('what a container needs that came meanwhile is not asked for', async () => {
  const { sizer, asked, takenBack, guest } = stage({ shrinks: false })
  await sizer.demand('a', demand(0, 384))
  sizer.forget('a')
  await takenBack()
  guest.shrinks = true
  await sizer.demand('b', demand(0, 256))
  expect(sizer.size.memoryMiB).toBe(640)
  asked.length = 0
  for (let _ = 0; _ < 10; _++) await takenBack(60_000)
  expect(asked).toEqual([{ vcpus: 1, memoryMiB: 512 }])
})

test('nothing is asked of a guest whose machine has ended', async () => {
  const { sizer, asked, takenBack, clock, over } = stage({ shrinks: false })
  await sizer.demand('a', demand(0, 384))
  sizer.forget('a')
  await takenBack()
  asked.length = 0
  over.abort(new Error('it ended'))
  await takenBack(60_000)
  expect(asked).toEqual([])
  expect(clock.sleepers).toBe(0)
})

test('nothing is placed of a machine that ended while its guest was asked', async () => {
  const { sizer, takenBack, takenBackTo, over, guest, placed } = stage()
  await sizer.demand('a', demand(1, 384))
  expect(placed()).toBe(1)
  guest.meanwhile = () => over.abort(new Error('it ended'))
  sizer.forget('a')
  await takenBack()
  expect([placed(), takenBackTo]).toEqual([1, []])
})

test('what the guest did not take is asked for again, as the machine has it by now', async () => {
  const { sizer, asked, online } = stage({ shrinks: false, failures: 1 })
  await expect(sizer.demand('a', demand(1, 128))).rejects.toThrow('came online')
  await sizer.demand('a', demand(1, 128))
  expect(asked).toEqual([{ vcpus: 2, memoryMiB: 384 }])
  expect(online.slice(1)).toEqual([{ nbCpus: 2, wait: false, cpuOnly: false }])
  await sizer.demand('b', demand(0, 0))
  expect(online).toHaveLength(2)
})

test('a container without limits, and one that fits, change nothing', async () => {
  const { sizer, asked, takenBack } = stage({ shrinks: false })
  await sizer.demand('pause', demand(0, 0))
  expect(asked).toEqual([])
  await sizer.demand('a', demand(1, 128))
  sizer.forget('a')
  await takenBack()
  await sizer.demand('b', demand(1, 100))
  expect(sizer.size).toEqual({ vcpus: 2, memoryMiB: 384 })
})

test('new limits count in place of the old ones', async () => {
  const { sizer } = stage()
  await sizer.demand('a', demand(0.5, 128))
  await sizer.demand('a', demand(2, 256))
  expect(sizer.size).toEqual({ vcpus: 3, memoryMiB: 512 })
})

test('what is asked for at the same time adds up', async () => {
  const { sizer } = stage()
  await Promise.all(['a', 'b', 'c'].map((id) => sizer.demand(id, demand(1, 128))))
  expect(sizer.size).toEqual({ vcpus: 4, memoryMiB: 640 })
})

test('what each container of a pod may use counts once where that is the whole pod’s', async () => {
  const { sizer } = stage({ podLimits: { memoryBytes: 512 * MiB, vcpus: 2 } })
  for (const id of ['a', 'b', 'c']) await sizer.demand(id, demand(2, 512))
  expect(sizer.size).toEqual({ vcpus: 3, memoryMiB: 768 })
})

test('much memory comes in steps, because the kernel keeps its book on it in what it has', async () => {
  const { sizer, asked } = stage()
  await sizer.demand('a', demand(0, 16_384))
  expect(asked.map(({ memoryMiB }) => memoryMiB)).toEqual([4352, 16_640])
})

test('a container that is refused fails no other that comes at the same time', async () => {
  const { sizer } = stage()
  const asked = [sizer.demand('a', demand(1, 128)), sizer.demand('b', demand(0, 1 << 21))]
  const outcomes = await Promise.allSettled([...asked, sizer.demand('c', demand(1, 128))])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(sizer.size).toEqual({ vcpus: 3, memoryMiB: 512 })
})

test('a change that is refused takes nothing back of what came after it', async () => {
  const { sizer, takenBack } = stage()
  await sizer.demand('a', demand(1, 128))
  const refused = sizer.demand('a', demand(0, 1 << 21)).catch(() => {})
  sizer.forget('a')
  await refused
  await takenBack()
  await sizer.demand('b', demand(1, 128))
  expect(sizer.size).toEqual({ vcpus: 2, memoryMiB: 384 })
})

test('a machine that cannot grow refuses the container and keeps what was known before', async () => {
  const { sizer, asked } = stage({ most: { vcpus: 2, memoryMiB: 512 } })
  await sizer.demand('a', demand(0, 256))
  await expect(sizer.demand('b', demand(0, 128))).rejects.toThrow('no room')
  await expect(sizer.demand('a', demand(0, 1 << 21))).rejects.toThrow('SANDBOX_TOO_LARGE')
  await sizer.demand('c', demand(9, 0))
  expect(asked.at(-1)).toEqual({ vcpus: 10, memoryMiB: 512 })
  expect(sizer.size).toEqual({ vcpus: 2, memoryMiB: 512 })
})

test('in static mode the machine stays as it is', async () => {
  const { sizer, asked } = stage({ isStatic: true })
  await sizer.demand('a', demand(4, 1024))
  expect(asked).toEqual([])
})

test.each([2, 128, 2048])(
  'with blocks of %d MiB it grows by less than one more than is needed',
  async (memoryBlockMiB) => {
    const { sizer } = stage({ memoryBlockMiB })
    await sizer.demand('a', demand(0, 65))
    const { memoryMiB } = sizer.size
    expect(memoryMiB).toBeGreaterThanOrEqual(256 + 65)
    expect(memoryMiB).toBeLessThan(256 + 65 + memoryBlockMiB)
  },
)
