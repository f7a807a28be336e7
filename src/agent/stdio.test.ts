import { describe, expect, test } from 'bun:test'
import { TtrpcError } from '../ttrpc/ttrpc.ts'
import { type OutputPlace, pumpInput, pumpOutput } from './stdio.ts'

const ids = { containerId: 'c', execId: 'e' }
const empty = new Uint8Array(0)

/** An agent whose stdout is the given chunks. */
function output(chunks: Uint8Array[]) {
  const requests: {
    containerId?: string | undefined
    execId?: string | undefined
    len?: number | undefined
  }[] = []
  let inFlight = 0
  const readStdout = async (request: (typeof requests)[number]) => {
    requests.push(request)
    expect(++inFlight).toBe(1)
    await Bun.sleep(0)
    inFlight--
    return { data: chunks.shift() ?? empty, buffered: 0 }
  }
  return {
    requests,
    agent: { readStdout, readStderr: () => Promise.reject(new Error('stderr was not asked for')) },
  }
}

describe('output', () => {
  test('chunks come in order, one read at a time, and empty is the end', async () => {
    const { agent, requests } = output([Uint8Array.of(1), Uint8Array.of(2, 3), Uint8Array.of(4)])
    const got: number[] = []
    await pumpOutput(agent, ids, 'stdout', async (chunk) => {
      await Bun.sleep(1)
      got.push(...chunk)
    })
    expect(got).toEqual([1, 2, 3, 4])
    expect(requests).toEqual(Array.from({ length: 4 }, () => ({ ...ids, len: 65536 })))
  })

  test('twice as much is asked for as came last, from 64 KiB to 2 MiB', async () => {
    const KiB = 1024
    const sizes = [64, 128, 256, 512, 1024, 2048, 2000, 40, 3].map((size) => size * KiB)
    const { agent, requests } = output(sizes.map((size) => new Uint8Array(size)))
    let got = 0
    await pumpOutput(agent, ids, 'stdout', async (chunk) => {
      got += chunk.length
    })
    expect(got).toBe(sizes.reduce((sum, size) => sum + size))
    const asked = requests.map(({ len }) => len! / KiB)
    expect(asked).toEqual([64, 128, 256, 512, 1024, 2048, 2048, 2048, 80, 64])
  })

  test('where readers of one guest have left 64 MiB unread, streams are asked for little, and for much again later', async () => {
    const MiB = 1024 * 1024
    const gate = Promise.withResolvers<void>()
    const lens: number[] = []
    let left = 1000
    const agent = {
      readStdout: async ({ len }: { len?: number | undefined }) => {
        lens.push(len!)
        return { data: left-- > 0 ? new Uint8Array(len!) : empty, buffered: 0 }
      },
      readStderr: () => Promise.reject(new Error('stderr was not asked for')),
    }
    // Each has its first chunks taken, and then two of 2 MiB that nobody takes.
    const stalled = Array.from({ length: 20 }, () => {
      let chunks = 0
      return pumpOutput(agent, ids, 'stdout', () => (++chunks > 5 ? gate.promise : Promise.resolve()))
    })
    while (lens.length < 20 * 7) await Bun.sleep(1)
    const unread = () => lens.slice(20 * 5).reduce((sum, len) => sum + len)
    expect(lens.filter((len) => len === 2 * MiB).length).toBeGreaterThan(25)
    expect(unread()).toBeLessThan(72 * MiB)
    lens.length = 0
    gate.resolve()
    await Promise.all(stalled)
    expect(Math.max(...lens)).toBe(2 * MiB)
  })

  test('a slow sink holds the reads back: at most one chunk ahead', async () => {
    const { agent, requests } = output(Array.from({ length: 10 }, () => Uint8Array.of(1)))
    const gate = Promise.withResolvers<void>()
    const pump = pumpOutput(agent, ids, 'stdout', () => gate.promise)
    await Bun.sleep(5)
    expect(requests.length).toBe(2)
    gate.resolve()
    await pump
  })

  test('a read that fails while the sink is slow ends the pump after it, and is no unhandled rejection', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => void unhandled.push(error)
    process.on('unhandledRejection', note)
    try {
      const { agent } = output([Uint8Array.of(1)])
      const { readStdout } = agent
      let reads = 0
      const dying = {
        ...agent,
        readStdout: async (request: Parameters<typeof readStdout>[0]) => {
          if (reads++ > 0) throw new Error('the agent died')
          return readStdout(request)
        },
      }
      const pump = pumpOutput(dying, ids, 'stdout', () => Bun.sleep(20))
      await expect(pump).rejects.toThrow('the agent died')
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', note)
    }
  })

  test('a failing sink ends the pump with its error', async () => {
    const { agent } = output([Uint8Array.of(1), Uint8Array.of(2)])
    const pump = pumpOutput(agent, ids, 'stdout', () => Promise.reject(new Error('disk full')))
    await expect(pump).rejects.toThrow('disk full')
  })

  test('a chunk that is longer than asked for is not accepted', async () => {
    const { agent } = output([new Uint8Array(65537)])
    await expect(pumpOutput(agent, ids, 'stdout', async () => {})).rejects.toMatchObject({
      code: 'AGENT_MISBEHAVED',
    })
  })
})

interface Asked {
  readonly len?: number | undefined
  readonly bufferOffset?: number | undefined
  readonly bufferLen?: number | undefined
}

describe('output through a buffer', () => {
  const KiB = 1024
  const places = { size: 1024 * KiB, count: 2 }

  /** A buffer whose places are filled by the agent below, and the bytes of each that were given back. */
  function buffer() {
    const memory = new Uint8Array(places.count * places.size)
    const free = Array.from({ length: places.count }, (_, index) => index * places.size)
    const back: number[] = []
    const lendPlace = (): OutputPlace | undefined => {
      const offset = free.shift()
      if (offset === undefined) return undefined
      return {
        offset,
        size: places.size,
        take: (from, count) => memory.slice(offset + from, offset + from + count),
        giveBack: (count) => {
          back.push(count)
          free.push(offset)
        },
      }
    }
    return { memory, free, back, lendPlace }
  }

  /** An agent that puts each chunk into the place that it is given, and says it of those that have none. Calls are answered in order. */
  function agentOf(chunks: Uint8Array[], memory: Uint8Array) {
    const requests: { len: number; bufferOffset: number; bufferLen: number }[] = []
    let most = 0
    let waiting = 0
    let turn = Promise.resolve()
    const readStdout = ({ len = 0, bufferOffset = 0, bufferLen = 0 }: Asked) => {
      requests.push({ len, bufferOffset, bufferLen })
      most = Math.max(most, ++waiting)
      const answer = turn.then(async () => {
        await Bun.sleep(0)
        waiting--
        const chunk = chunks.shift() ?? empty
        if (bufferLen === 0 || chunk.length < 256 * KiB) return { data: chunk, buffered: 0 }
        memory.set(chunk, bufferOffset)
        return { data: empty, buffered: chunk.length }
      })
      turn = answer.then(() => {})
      return answer
    }
    const agent = { readStdout, readStderr: () => Promise.reject(new Error('stderr was not asked for')) }
    return { agent, requests, most: () => most }
  }

  const random = (sizes: number[]) => {
    const chunks = sizes.map((size) => Buffer.alloc(size * KiB, crypto.getRandomValues(new Uint8Array(997))))
    return { chunks, whole: Buffer.concat(chunks) }
  }

  test('a stream that gives much comes through it, whole and in order', async () => {
    const { memory, free, back, lendPlace } = buffer()
    const { chunks, whole } = random([64, 128, 1024, 1000, 600, 1024, 3, 2])
    const { agent, requests, most } = agentOf(chunks, memory)
    const got: Uint8Array[] = []
    const sink = async (piece: Uint8Array) => void got.push(piece)
    await pumpOutput(agent, ids, 'stdout', sink, { lendPlace })
    expect(Buffer.concat(got).equals(whole)).toBe(true)
    expect(Math.max(...got.map(({ length }) => length))).toBe(512 * KiB)
    // 64 and 128 KiB are asked for without one.
    expect(requests.findIndex(({ bufferLen }) => bufferLen > 0)).toBe(2)
    expect(back.filter((count) => count > 0)).toEqual([1024, 1000, 600, 1024].map((size) => size * KiB))
    expect(most()).toBe(2)
    expect(free.length).toBe(places.count)
  })

  test('where all places are lent, it comes in the answers', async () => {
    const { memory } = buffer()
    const { chunks, whole } = random([64, 128, 256, 512, 1024])
    const { agent } = agentOf(chunks, memory)
    const got: Uint8Array[] = []
    await pumpOutput(agent, ids, 'stdout', async (piece) => void got.push(piece), {
      lendPlace: () => undefined,
    })
    expect(Buffer.concat(got).equals(whole)).toBe(true)
  })

  test('a failing sink ends the pump, and the places are free once the guest has answered', async () => {
    const { memory, free, lendPlace } = buffer()
    const { agent } = agentOf(random([64, 128, 1024, 1024, 1024, 1024]).chunks, memory)
    let pieces = 0
    const sink = () => (++pieces < 5 ? Promise.resolve() : Promise.reject(new Error('disk full')))
    await expect(pumpOutput(agent, ids, 'stdout', sink, { lendPlace })).rejects.toThrow('disk full')
    await Bun.sleep(20)
    expect(free.length).toBe(places.count)
  })

  test('a place stays lent whose answer never comes: the guest may write there yet', async () => {
    const { free, lendPlace } = buffer()
    const over = new AbortController()
    let calls = 0
    const agent = {
      readStdout: async () => {
        if (calls++ < 2) return { data: new Uint8Array(64 * KiB * calls), buffered: 0 }
        over.abort()
        throw new Error('given up')
      },
      readStderr: () => Promise.reject(new Error('stderr was not asked for')),
    }
    const pump = pumpOutput(agent, ids, 'stdout', async () => {}, { over: over.signal, lendPlace })
    await expect(pump).rejects.toThrow('given up')
    expect(free.length).toBe(places.count - 1)
  })

  test.each<[string, { data: Uint8Array; buffered: number }, number]>([
    ['more than it has room for', { data: empty, buffered: 1024 * KiB + 1 }, 1024 * KiB],
    ['bytes there and beside', { data: Uint8Array.of(1), buffered: 1 }, 1024 * KiB],
    ['bytes that are not in the file', { data: empty, buffered: 1024 * KiB }, 1024 * KiB - 1],
  ])('an agent that tells of %s is not believed', async (_, lie, inFile) => {
    const { lendPlace } = buffer()
    const cut = (): OutputPlace => {
      const place = lendPlace()!
      return { ...place, take: (from, count) => new Uint8Array(Math.min(count, inFile - from)) }
    }
    let calls = 0
    const readStdout = async () =>
      calls++ < 2 ? { data: new Uint8Array(64 * KiB * calls), buffered: 0 } : lie
    const agent = { readStdout, readStderr: readStdout }
    const pump = pumpOutput(agent, ids, 'stdout', async () => {}, { lendPlace: cut })
    await expect(pump).rejects.toMatchObject({ code: 'AGENT_MISBEHAVED' })
  })

  test('an agent that was offered none has put nothing there', async () => {
    const readStdout = async () => ({ data: empty, buffered: 1 })
    const agent = { readStdout, readStderr: readStdout }
    await expect(pumpOutput(agent, ids, 'stdout', async () => {})).rejects.toMatchObject({
      code: 'AGENT_MISBEHAVED',
    })
  })
})

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

  test('other failures are failures', async () => {
    const { agent } = input(1)
    const broken = { ...agent, writeStdin: () => Promise.reject(new TtrpcError('internal', 'broken')) }
    await expect(pumpInput(broken, ids, chunks(Uint8Array.of(1)))).rejects.toThrow('broken')
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
