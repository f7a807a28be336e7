import { describe, expect, test } from 'bun:test'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { pumpInput } from './input.ts'
import { streamPlaces } from './stream-place.double.ts'

const ids = { containerId: 'c', execId: 'e' }
const empty = new Uint8Array(0)

async function* chunks(...parts: Uint8Array[]) {
  yield* parts
}

/** An agent that takes at most `most` bytes of each write. */
function input(most: number) {
  const got: number[] = []
  let closed = 0
  const agent = {
    writeStdin: async ({ data = empty }: { data?: Uint8Array | undefined }) => {
      expect(data.length).toBeLessThanOrEqual(2 ** 20)
      const taken = data.subarray(0, most)
      for (const byte of taken) got.push(byte)
      return { len: taken.length }
    },
    closeStdin: async () => {
      closed++
      return {}
    },
  }
  return { agent, got, closed: () => closed }
}

describe('input', () => {
  test('long chunks are split, what was not taken is sent again, then stdin is closed', async () => {
    const { agent, got, closed } = input(50_000)
    const data = crypto.getRandomValues(new Uint8Array(60_000))
    await pumpInput(agent, ids, chunks(data, empty, data, data, Buffer.concat([data, data])))
    expect(Buffer.from(got).equals(Buffer.concat([data, data, data, data, data]))).toBe(true)
    expect(closed()).toBe(1)
  })

  test.each(['not_found', 'failed_precondition'] as const)(
    '%s means that nobody reads any more',
    async (code) => {
      let ended = false
      async function* endless() {
        try {
          for (;;) yield Uint8Array.of(1)
        } finally {
          ended = true
        }
      }
      const agent = {
        writeStdin: () => Promise.reject(new TtrpcError(code, 'no reader')),
        closeStdin: () => Promise.reject(new Error('nothing to close')),
      }
      await pumpInput(agent, ids, endless())
      expect(ended).toBe(true)
    },
  )

  const broken = () => ({
    ...input(1),
    source: async function* () {
      yield Uint8Array.of(1)
      throw new Error('broken')
    },
  })

  test('other failures are failures, and end the input of the process', async () => {
    const { agent, closed } = input(1)
    const failing = { ...agent, writeStdin: () => Promise.reject(new TtrpcError('internal', 'broken')) }
    await expect(pumpInput(failing, ids, chunks(Uint8Array.of(1)))).rejects.toThrow('broken')
    expect(closed()).toBe(1)
    const { source, ...by } = broken()
    await expect(pumpInput(by.agent, ids, source())).rejects.toThrow('broken')
    expect({ got: by.got, closed: by.closed() }).toEqual({ got: [1], closed: 1 })
  })

  test('a failure hangs no terminal up, and closes nothing of a process that has ended', async () => {
    for (const how of [{ isTerminal: true }, { over: AbortSignal.abort() }]) {
      const { agent, source, closed } = broken()
      await expect(pumpInput(agent, ids, source(), how)).rejects.toThrow('broken')
      expect(closed()).toBe(0)
    }
  })

  test.each([0, 2])('an agent that says it took %d of one byte is not believed', async (len) => {
    const { agent } = input(1)
    const lying = { ...agent, writeStdin: async () => ({ len }) }
    await expect(pumpInput(lying, ids, chunks(Uint8Array.of(1)))).rejects.toMatchObject({
      code: 'AGENT_MISBEHAVED',
    })
  })
})

describe('input of an agent that begins calls in order', () => {
  /** An agent that answers a write when `answer` is called; -1 is the end of the input. */
  function slow() {
    const got: number[] = []
    const waiting: (() => void)[] = []
    let bytes = 0
    const agent = {
      writeStdin: async ({ data = empty }: { data?: Uint8Array | undefined }) => {
        got.push(data[0]!)
        bytes += data.length
        await new Promise<void>((resolve) => waiting.push(resolve))
        return { len: data.length }
      },
      closeStdin: async () => {
        got.push(-1)
        return {}
      },
    }
    const answer = async () => {
      waiting.shift()?.()
      await turn()
    }
    return { agent, got, waiting, answer, bytes: () => bytes }
  }
  const turn = () => Bun.sleep(0)

  test('two writes are under way and no third, in their order, and the end comes when all are answered', async () => {
    const { agent, got, waiting, answer } = slow()
    const pieces = [0, 1, 2, 3].map((at) => new Uint8Array(2 ** 20).fill(at))
    const pump = pumpInput(agent, ids, chunks(...pieces), { inOrder: true })
    const steps = [
      [0, 1],
      [0, 1, 2],
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]
    for (const [answered, begun] of steps.entries()) {
      await turn()
      expect(got).toEqual(begun)
      expect(waiting.length).toBe(begun.length - answered)
      await answer()
    }
    await pump
    expect(got).toEqual([0, 1, 2, 3, -1])
  })

  test('a process that does not read holds its source back', async () => {
    const { agent, answer, bytes } = slow()
    let made = 0
    async function* source() {
      for (; made < 64; made++) yield new Uint8Array(2 ** 17)
    }
    const pump = pumpInput(agent, ids, source(), { inOrder: true })
    let isOver = false
    void pump.then(() => {
      isOver = true
    })
    for (let round = 0; round < 100; round++) await turn()
    // Two writes of up to 1 MiB, one that waits for its turn, and what was gathered behind it.
    expect(made * 2 ** 17).toBeLessThanOrEqual(4 * 2 ** 20)
    while (!isOver) await answer()
    expect(bytes()).toBe(64 * 2 ** 17)
  })

  test('beside very many that do not read, one that does is sent less at a time, and all of it', async () => {
    const { agent, waiting, bytes } = slow()
    const end = new AbortController()
    // Each ends with its source: none of its writes is answered.
    async function* endless() {
      for (; !end.signal.aborted; ) yield new Uint8Array(2 ** 20)
    }
    const unread = 200
    const stuck = Array.from({ length: unread }, () => pumpInput(agent, ids, endless(), { inOrder: true }))
    for (const pump of stuck) pump.catch(() => {})
    for (let round = 0; round < 100; round++) await turn()
    expect(waiting.length).toBe(2 * unread)
    // Without a bound it would be 400 MiB.
    expect(bytes()).toBeLessThanOrEqual((64 + unread / 8) * 2 ** 20)
    const sizes: number[] = []
    const reader = {
      writeStdin: async ({ data = empty }: { data?: Uint8Array | undefined }) => {
        sizes.push(data.length)
        return { len: data.length }
      },
      closeStdin: async () => ({}),
    }
    // As another process of the same guest.
    await pumpInput(Object.assign(agent, reader), ids, chunks(new Uint8Array(2 ** 20)), { inOrder: true })
    expect(sizes).toEqual(Array(16).fill(2 ** 16))
    end.abort()
    for (const answer of waiting.splice(0)) answer()
    await Promise.all(stuck)
    sizes.length = 0
    await pumpInput(agent, ids, chunks(new Uint8Array(2 ** 20)), { inOrder: true })
    expect(sizes).toEqual([2 ** 20])
  })

  test('the failure of either write is that of the pump, and no reader is none', async () => {
    const source = () => chunks(...[1, 2, 3].map(() => new Uint8Array(2 ** 20)))
    for (const failing of [1, 2]) {
      let calls = 0
      const agent = (code: 'internal' | 'failed_precondition') => ({
        writeStdin: async ({ data = empty }: { data?: Uint8Array | undefined }) => {
          if (++calls === failing) throw new TtrpcError(code, 'refused')
          return { len: data.length }
        },
        closeStdin: () => Promise.reject(new Error('nothing to close')),
      })
      await expect(pumpInput(agent('internal'), ids, source(), { inOrder: true })).rejects.toThrow('refused')
      calls = 0
      await pumpInput(agent('failed_precondition'), ids, source(), { inOrder: true })
    }
  })

  test('an agent that took a part is not believed: the next write is on its way', async () => {
    const { agent } = input(1)
    const pump = pumpInput(agent, ids, chunks(Uint8Array.of(1, 2)), { inOrder: true })
    await expect(pump).rejects.toMatchObject({ code: 'AGENT_MISBEHAVED' })
  })
})

interface Written {
  readonly data?: Uint8Array | undefined
  readonly bufferOffset?: number | undefined
  readonly bufferLen?: number | undefined
  readonly bufferMs?: number | undefined
}

describe('input through a buffer', () => {
  const MiB = 2 ** 20
  const random = (bytes: number) => Buffer.alloc(bytes, crypto.getRandomValues(new Uint8Array(997)))

  /** An agent that begins calls in order, and takes `most` bytes of what is in the buffer; all of what is in the call. */
  function agentOf(memory: Uint8Array, most = Number.POSITIVE_INFINITY) {
    const got: Uint8Array[] = []
    const buffered: number[] = []
    let underWay = 0
    let closed = 0
    const agent = {
      writeStdin: async ({ data = empty, bufferOffset = 0, bufferLen = 0 }: Written) => {
        // One in the buffer may leave a part to the channel, so that nothing may be behind it.
        if (bufferLen > 0) expect(underWay).toBe(0)
        underWay++
        await Bun.sleep(1)
        underWay--
        const bytes =
          bufferLen > 0
            ? memory.slice(bufferOffset, bufferOffset + bufferLen).subarray(0, Math.max(most, 0))
            : data
        if (bufferLen > 0) buffered.push(bytes.length)
        got.push(bytes)
        most -= bufferLen > 0 ? bytes.length : 0
        return { len: bytes.length }
      },
      closeStdin: async () => {
        closed++
        return {}
      },
    }
    return { agent, buffered, closed: () => closed, whole: () => Buffer.concat(got) }
  }

  test('much goes through it, little does not, and all of it in order', async () => {
    const { memory, back, free, lendPlace } = streamPlaces()
    const { agent, buffered, closed, whole } = agentOf(memory)
    const parts = [10, 3 * MiB, 100, 100_000, MiB + 5, 1].map(random)
    async function* source() {
      for (const part of parts) {
        yield part
        await Bun.sleep(10)
      }
    }
    await pumpInput(agent, ids, source(), { inOrder: true, lendPlace })
    expect(whole().equals(Buffer.concat(parts))).toBe(true)
    expect(buffered).toEqual(Array(4).fill(MiB))
    expect(back).toEqual(buffered)
    expect({ closed: closed(), free: free.length }).toEqual({ closed: 1, free: 2 })
  })

  test('what the guest did not take comes through the channel, and all that follows', async () => {
    const { memory, back, free, lendPlace } = streamPlaces()
    const { agent, buffered, whole } = agentOf(memory, 1.5 * MiB)
    const parts = [3 * MiB, 2 * MiB, 5].map(random)
    await pumpInput(agent, ids, chunks(...parts), { inOrder: true, lendPlace })
    expect(whole().equals(Buffer.concat(parts))).toBe(true)
    // The last has its place before the one that finds no buffer is answered.
    expect(buffered).toEqual([MiB, MiB / 2, 0, 0])
    expect({ back: back.length, free: free.length }).toEqual({ back: 4, free: 2 })
  })

  test('the input of a terminal, and of an agent that keeps no order, is in the calls', async () => {
    for (const how of [{ inOrder: true, isTerminal: true }, { inOrder: false }]) {
      const { memory, lendPlace } = streamPlaces()
      const { agent, buffered, whole } = agentOf(memory)
      const bytes = random(2 * MiB)
      await pumpInput(agent, ids, chunks(bytes), { ...how, lendPlace })
      expect({ buffered, isWhole: whole().equals(bytes) }).toEqual({ buffered: [], isWhole: true })
    }
  })

  test('where all places are lent, it is in the calls', async () => {
    const { memory } = streamPlaces()
    const { agent, buffered, whole } = agentOf(memory)
    const bytes = random(5 * MiB)
    await pumpInput(agent, ids, chunks(bytes), { inOrder: true, lendPlace: () => undefined })
    expect({ buffered, isWhole: whole().equals(bytes) }).toEqual({ buffered: [], isWhole: true })
  })

  test('a guest that has used the room of the buffer has its input in the calls', async () => {
    const { memory, free, lendPlace } = streamPlaces()
    const { agent, buffered, whole } = agentOf(memory)
    const put = () => false
    const full: typeof lendPlace = () => {
      const place = lendPlace()
      return place && { ...place, put }
    }
    const bytes = random(2 * MiB)
    await pumpInput(agent, ids, chunks(bytes), { inOrder: true, lendPlace: full })
    expect({ buffered, isWhole: whole().equals(bytes) }).toEqual({ buffered: [], isWhole: true })
    expect(free.length).toBe(2)
  })

  test('an agent that says it took more than is there is not believed', async () => {
    const { memory, lendPlace } = streamPlaces()
    const { agent } = agentOf(memory)
    const lying = { ...agent, writeStdin: async () => ({ len: MiB + 1 }) }
    await expect(
      pumpInput(lying, ids, chunks(random(MiB)), { inOrder: true, lendPlace }),
    ).rejects.toMatchObject({
      code: 'AGENT_MISBEHAVED',
    })
  })

  test('a process that is slow to read has the rest through the channel, and then places again', async () => {
    const { memory, back, free, lendPlace } = streamPlaces()
    const { agent, buffered, whole } = agentOf(memory)
    // Each piece in the buffer ends before all of it is read.
    const slow = {
      ...agent,
      writeStdin: async (request: Written) => {
        if (request.bufferLen) expect(request.bufferMs).toBe(1000)
        return agent.writeStdin(request.bufferLen ? { ...request, bufferLen: 1000 } : request)
      },
    }
    const bytes = random(3 * MiB)
    await pumpInput(slow, ids, chunks(bytes), { inOrder: true, lendPlace })
    expect(whole().equals(bytes)).toBe(true)
    expect(buffered).toEqual([1000, 1000, 1000])
    expect({ back: back.length, free: free.length }).toEqual({ back: 3, free: 2 })
  })

  test('a process that does not read keeps no place for what waits behind', async () => {
    const { memory, free, lendPlace } = streamPlaces()
    const { agent, whole } = agentOf(memory)
    const reads = Promise.withResolvers<void>()
    let calls = 0
    const stuck = {
      ...agent,
      writeStdin: async (request: Written) => {
        // The guest has given back the place of the first, and has its bytes.
        if (++calls === 1) return { len: 0 }
        await reads.promise
        return agent.writeStdin(request)
      },
    }
    const bytes = random(2 * MiB)
    const pump = pumpInput(stuck, ids, chunks(bytes), { inOrder: true, lendPlace })
    await Bun.sleep(1200)
    expect(free.length).toBe(2)
    reads.resolve()
    await pump
    expect(whole().equals(bytes)).toBe(true)
  })

  test('very many that do not read hold little, though their places are back', async () => {
    const held = new Promise<{ len: number }>(() => {})
    const agent = {
      writeStdin: async ({ bufferLen = 0 }: Written) => (bufferLen > 0 ? { len: 0 } : held),
      closeStdin: async () => ({}),
    }
    const lendPlace = () => ({
      offset: 0,
      size: 8 * MiB,
      take: () => empty,
      put: () => true,
      giveBack: () => {},
    })
    let made = 0
    const [much, some] = [new Uint8Array(4 * MiB), new Uint8Array(MiB / 16)]
    async function* source() {
      for (let chunk = much; made < 1024 * MiB; chunk = some) {
        made += chunk.length
        yield chunk
      }
    }
    const count = 100
    for (let at = 0; at < count; at++)
      pumpInput(agent, ids, source(), { inOrder: true, lendPlace }).catch(() => {})
    for (let round = 0; round < 200; round++) await Bun.sleep(0)
    // The 4 MiB that each source begins with, and what is gathered behind them.
    expect(made).toBeLessThanOrEqual((4 * count + 64 + count / 2) * MiB)
  })

  test('a process that closes its stdin ends the pump, and its places are free', async () => {
    const { memory, free, lendPlace } = streamPlaces()
    const { agent } = agentOf(memory)
    const gone = () => new TtrpcError('failed_precondition', 'no reader', { isAnswer: true })
    const broken = { ...agent, writeStdin: () => Promise.reject(gone()) }
    await pumpInput(broken, ids, chunks(random(4 * MiB)), { inOrder: true, lendPlace })
    await Bun.sleep(1)
    expect(free.length).toBe(2)
  })

  test('a buffer that cannot be written is an error, and the place is free', async () => {
    const { memory, free, lendPlace } = streamPlaces()
    const { agent } = agentOf(memory)
    const full = () => {
      const put = () => {
        throw new Error('EIO')
      }
      return { ...lendPlace()!, put }
    }
    await expect(
      pumpInput(agent, ids, chunks(random(MiB)), { inOrder: true, lendPlace: full }),
    ).rejects.toThrow('EIO')
    expect(free.length).toBe(2)
  })

  test('a process that does not read holds its source back', async () => {
    const { lendPlace } = streamPlaces()
    const held = Promise.withResolvers<{ len: number }>()
    const agent = { writeStdin: () => held.promise, closeStdin: async () => ({}) }
    let made = 0
    async function* source() {
      for (; made < 64; made++) yield new Uint8Array(2 ** 19)
    }
    const over = new AbortController()
    const pump = pumpInput(agent, ids, source(), { inOrder: true, lendPlace, over: over.signal })
    for (let round = 0; round < 200; round++) await Bun.sleep(0)
    // Two places, and what was gathered behind them.
    expect(made * 2 ** 19).toBeLessThanOrEqual(12 * MiB)
    over.abort(new Error('given up'))
    await expect(pump).rejects.toThrow('given up')
  })
})
