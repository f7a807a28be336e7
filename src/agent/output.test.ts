import { describe, expect, test } from 'bun:test'
import { pumpOutput } from './output.ts'
import { places, streamPlaces } from './stream-place.double.ts'
import type { StreamPlace } from './stream-place.ts'

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
    return { data: chunks.shift() ?? empty, buffered: 0, idle: false }
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
        return { data: left-- > 0 ? new Uint8Array(len!) : empty, buffered: 0, idle: false }
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
  readonly bufferMs?: number | undefined
}

describe('output through a buffer', () => {
  const KiB = 1024

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
        if (bufferLen === 0 || chunk.length < 256 * KiB) return { data: chunk, buffered: 0, idle: false }
        memory.set(chunk, bufferOffset)
        return { data: empty, buffered: chunk.length, idle: false }
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
    const { memory, free, back, lendPlace } = streamPlaces()
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
    const { memory } = streamPlaces()
    const { chunks, whole } = random([64, 128, 256, 512, 1024])
    const { agent } = agentOf(chunks, memory)
    const got: Uint8Array[] = []
    await pumpOutput(agent, ids, 'stdout', async (piece) => void got.push(piece), {
      lendPlace: () => undefined,
    })
    expect(Buffer.concat(got).equals(whole)).toBe(true)
  })

  test('places are free while nothing comes, and what comes then is in order', async () => {
    const { memory, free, lendPlace } = streamPlaces()
    const { chunks, whole } = random([64, 128, 1024, 5, 60, 7])
    const requests: { bufferLen: number; bufferMs: number }[] = []
    const said = Promise.withResolvers<void>()
    /** The fourth read is idle, the fifth has the next, and then none has anything for long. */
    const readStdout = async ({ bufferOffset = 0, bufferLen = 0, bufferMs = 0 }: Asked) => {
      const turn = requests.push({ bufferLen, bufferMs })
      await Bun.sleep(turn)
      if (turn === 4) return { data: empty, buffered: 0, idle: true }
      if (turn === 6) await said.promise
      const chunk = chunks.shift() ?? empty
      if (bufferLen === 0 || chunk.length < 256 * KiB) return { data: chunk, buffered: 0, idle: false }
      memory.set(chunk, bufferOffset)
      return { data: empty, buffered: chunk.length, idle: false }
    }
    const agent = { readStdout, readStderr: readStdout }
    const got: Uint8Array[] = []
    const pump = pumpOutput(agent, ids, 'stdout', async (piece) => void got.push(piece), { lendPlace })
    await Bun.sleep(100)
    expect(requests.map(({ bufferLen }) => bufferLen > 0)).toEqual([false, false, true, true, true, false])
    expect(requests.map(({ bufferMs }) => bufferMs)).toEqual([0, 0, 1000, 1000, 1000, 0])
    expect(free.length).toBe(places.count)
    said.resolve()
    await pump
    expect(Buffer.concat(got).equals(whole)).toBe(true)
    expect(free.length).toBe(places.count)
  })

  test('an agent that was offered no place has nothing to give back', async () => {
    const readStdout = async () => ({ data: empty, buffered: 0, idle: true })
    const agent = { readStdout, readStderr: readStdout }
    await expect(pumpOutput(agent, ids, 'stdout', async () => {})).rejects.toMatchObject({
      code: 'AGENT_MISBEHAVED',
    })
  })

  test('a failing sink ends the pump, and the places are free once the guest has answered', async () => {
    const { memory, free, lendPlace } = streamPlaces()
    const { agent } = agentOf(random([64, 128, 1024, 1024, 1024, 1024]).chunks, memory)
    let pieces = 0
    const sink = () => (++pieces < 5 ? Promise.resolve() : Promise.reject(new Error('disk full')))
    await expect(pumpOutput(agent, ids, 'stdout', sink, { lendPlace })).rejects.toThrow('disk full')
    await Bun.sleep(20)
    expect(free.length).toBe(places.count)
  })

  test('a place stays lent whose answer never comes: the guest may write there yet', async () => {
    const { free, lendPlace } = streamPlaces()
    const over = new AbortController()
    let calls = 0
    const agent = {
      readStdout: async () => {
        if (calls++ < 2) return { data: new Uint8Array(64 * KiB * calls), buffered: 0, idle: false }
        over.abort()
        throw new Error('given up')
      },
      readStderr: () => Promise.reject(new Error('stderr was not asked for')),
    }
    const pump = pumpOutput(agent, ids, 'stdout', async () => {}, { over: over.signal, lendPlace })
    await expect(pump).rejects.toThrow('given up')
    expect(free.length).toBe(places.count - 1)
  })

  test.each<[string, { data: Uint8Array; buffered: number; idle: boolean }, number]>([
    ['more than it has room for', { data: empty, buffered: 1024 * KiB + 1, idle: false }, 1024 * KiB],
    ['bytes there and beside', { data: Uint8Array.of(1), buffered: 1, idle: false }, 1024 * KiB],
    ['bytes that are not in the file', { data: empty, buffered: 1024 * KiB, idle: false }, 1024 * KiB - 1],
  ])('an agent that tells of %s is not believed', async (_, lie, inFile) => {
    const { lendPlace } = streamPlaces()
    const cut = (): StreamPlace => {
      const place = lendPlace()!
      return { ...place, take: (from, count) => new Uint8Array(Math.min(count, inFile - from)) }
    }
    let calls = 0
    const readStdout = async () =>
      calls++ < 2 ? { data: new Uint8Array(64 * KiB * calls), buffered: 0, idle: false } : lie
    const agent = { readStdout, readStderr: readStdout }
    const pump = pumpOutput(agent, ids, 'stdout', async () => {}, { lendPlace: cut })
    await expect(pump).rejects.toMatchObject({ code: 'AGENT_MISBEHAVED' })
  })

  test('an agent that was offered none has put nothing there', async () => {
    const readStdout = async () => ({ data: empty, buffered: 1, idle: false })
    const agent = { readStdout, readStderr: readStdout }
    await expect(pumpOutput(agent, ids, 'stdout', async () => {})).rejects.toMatchObject({
      code: 'AGENT_MISBEHAVED',
    })
  })
})
