/** What a guest gets that asks wrongly, too much, or while nobody is there who knows. */
import { describe, expect, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { AnswerOptions } from './answer.ts'
import { addressRecord, readQuery, writeAnswer } from './message.ts'
import { startResolver } from './resolver.ts'
import { framed } from './stream.ts'
import {
  askTcp,
  askUdp,
  codeOf,
  countOf,
  isCut,
  localhost,
  queryOf,
  questionOf,
  sayUdp,
  serveUpstream,
} from './testing.ts'

const many = Array.from({ length: 100 }, (_, index) => `10.89.1.${index + 1}`)
const names: Readonly<Record<string, readonly string[]>> = {
  db: ['10.89.0.3', 'fd5e:9c41:7ab0::a59:3'],
  many,
}
const own = {
  addresses: (name: string) => names[name],
  name: (address: string) => (names.db!.includes(address) ? 'db' : undefined),
  networks: ['10.89.0.1/24', 'fd5e:9c41:7ab0::a59:1/120'],
}

/** A name server that nobody answers unless a test says who does. One that answers has the time that it needs. */
const start = (port: number, more: Partial<AnswerOptions> = {}, answerMs = 10_000) =>
  startResolver({
    listen: localhost,
    port: 0,
    upstream: { address: localhost, port, answerMs },
    own,
    ipv6: true,
    open: async () => {},
    ...more,
  })

const addressesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => addressRecord({ address: `9.9.9.${index + 1}`, ttl: 60 }))
const reply =
  (count: number, mostBytes = 512) =>
  (query: Buffer) =>
    writeAnswer(readQuery(query)!, 0, addressesOf(count), mostBytes)

test('a port that somebody has with TCP is not held with UDP', async () => {
  const somebody = createServer()
  await new Promise<void>((resolve) => somebody.listen(0, localhost, resolve))
  const { port } = somebody.address() as AddressInfo
  const asked = { listen: localhost, port, upstream: { address: localhost, port: 1, answerMs: 300 } }
  const another = { own, ipv6: true, open: async () => {} }
  await expect(startResolver({ ...asked, ...another })).rejects.toThrow('EADDRINUSE')
  somebody.close()
  using resolver = await startResolver({ ...asked, ...another })
  expect(resolver.port).toBe(port)
})

test('clients that go before their answers come take nobody else’s', async () => {
  using resolver = await start(1, { allowed: [] })
  for (let client = 0; client < 4; client++) {
    await sayUdp(resolver.port, queryOf('db.test'))
    // Of one after the other, or the kernel tells of them together.
    await Bun.sleep(20)
  }
  expect(codeOf(await askUdp(resolver.port, queryOf('db.test')))).toBe(5)
})

describe('a question that is none', () => {
  const good = queryOf('db')
  const changed = (at: number, ...bytes: number[]) => {
    const copy = Buffer.from(good)
    copy.set(bytes, at)
    return copy
  }
  const [formatError, notImplemented] = [1, 4]
  test.each([
    ['two questions', changed(4, 0, 2), formatError],
    ['another class', Buffer.concat([good.subarray(0, -1), Buffer.of(3)]), formatError],
    [
      'a name that points at itself',
      Buffer.concat([good.subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)]),
      formatError,
    ],
    ['a question cut short', good.subarray(0, -2), formatError],
    ['a header alone', good.subarray(0, 12), formatError],
    ['more than a datagram', Buffer.concat([good, Buffer.alloc(600)]), formatError],
    ['another operation', changed(2, 0x28), notImplemented],
  ])('with %s is answered as that', async (_, message, code) => {
    using resolver = await start(1)
    for (const answer of [
      await askUdp(resolver.port, message),
      await askTcp(resolver.port, framed(message)),
    ]) {
      expect(codeOf(answer)).toBe(code)
      expect(answer!.length).toBe(12)
      expect(answer!.readUInt16BE(0)).toBe(7)
    }
  })

  test.each([
    ['less than a header', good.subarray(0, 11)],
    ['an answer', changed(2, 0x81)],
  ])('%s has no answer', async (_, message) => {
    using resolver = await start(1)
    expect(await askUdp(resolver.port, message, 300)).toBeUndefined()
    expect(await askTcp(resolver.port, framed(message))).toBeUndefined()
    // It goes on.
    expect(countOf(await askUdp(resolver.port, good))).toBe(1)
  })
})

describe('names of the network', () => {
  test('have addresses of the family that was asked for, and addresses have names', async () => {
    using resolver = await start(1)
    const ask = (name: string, type: number) => askUdp(resolver.port, queryOf(name, type))
    expect((await ask('db', 1))!.subarray(-4)).toEqual(Buffer.of(10, 89, 0, 3))
    expect((await ask('db', 28))!.subarray(-4)).toEqual(Buffer.of(0x0a, 0x59, 0, 3))
    expect([codeOf(await ask('db', 16)), countOf(await ask('db', 16))]).toEqual([0, 0])
    expect((await ask('3.0.89.10.in-addr.arpa', 12))!.subarray(-4)).toEqual(Buffer.from('\x02db\0'))
    // Nobody outside is asked about an address of the network.
    expect(codeOf(await ask('9.0.89.10.in-addr.arpa', 12))).toBe(3)
  })

  test('that have more addresses than a datagram holds are asked for over TCP', async () => {
    using resolver = await start(1)
    const cut = await askUdp(resolver.port, queryOf('many'))
    expect(isCut(cut)).toBe(true)
    expect(cut!.length).toBeLessThanOrEqual(512)
    const whole = await askTcp(resolver.port, framed(queryOf('many')))
    expect([isCut(whole), countOf(whole)]).toEqual([false, 100])
  })
})

describe('the host’s name server', () => {
  test('that is not there, or silent, or says nonsense, is a failure', async () => {
    using silent = await serveUpstream(undefined)
    using wild = await serveUpstream(() => Buffer.from('nonsense'))
    for (const port of [1, silent.port, wild.port])
      for (const more of [{}, { allowed: [{ host: 'a.test' }] }]) {
        using resolver = await start(port, more, 300)
        expect(codeOf(await askUdp(resolver.port, queryOf('a.test')))).toBe(2)
        expect(codeOf(await askTcp(resolver.port, framed(queryOf('a.test'))))).toBe(2)
      }
  })

  test('is asked the way the container asks', async () => {
    using upstream = await serveUpstream(reply(100), reply(100, 0xffff))
    using resolver = await start(upstream.port)
    expect(isCut(await askUdp(resolver.port, queryOf('a.test')))).toBe(true)
    expect(countOf(await askTcp(resolver.port, framed(queryOf('a.test'))))).toBe(100)
    expect(upstream.asked).toEqual({ udp: 1, tcp: 1 })
  })

  test('is asked over TCP when its answer about an allowed name was cut short', async () => {
    using upstream = await serveUpstream(reply(100, 40), reply(100, 0xffff))
    const opened: string[] = []
    const open: AnswerOptions['open'] = async (addresses) =>
      void opened.push(...addresses.map(({ address }) => address))
    using resolver = await start(upstream.port, { allowed: [{ host: 'a.test' }], open })
    const answer = await askTcp(resolver.port, framed(queryOf('a.test')))
    expect(upstream.asked).toEqual({ udp: 1, tcp: 1 })
    expect(opened).toHaveLength(100)
    expect(countOf(answer)).toBe(100)
    // A name that is not allowed does not leave the host, whichever way it is asked for.
    expect(codeOf(await askTcp(resolver.port, framed(queryOf('secret.test'))))).toBe(5)
    expect(codeOf(await askUdp(resolver.port, queryOf('4.4.8.8.in-addr.arpa', 12)))).toBe(5)
    expect(upstream.asked).toEqual({ udp: 1, tcp: 1 })
  })
})

test('some addresses are better than none, where the host’s name server takes no TCP', async () => {
  using upstream = await serveUpstream(reply(100, 300), () => Buffer.from('nonsense'))
  using resolver = await start(upstream.port, { allowed: [{ host: 'a.test' }] }, 2000)
  expect(countOf(await askUdp(resolver.port, queryOf('a.test')))).toBeGreaterThan(0)
  expect(upstream.asked).toEqual({ udp: 1, tcp: 1 })
})

describe('the answer about an allowed name', () => {
  const allowed = [{ host: 'a.test' }]
  /** Answers with these addresses. */
  const replyWith =
    (...addresses: string[]) =>
    (query: Buffer) =>
      writeAnswer(
        readQuery(query)!,
        0,
        addresses.map((address) => addressRecord({ address, ttl: 60 })),
      )

  test('opens public addresses alone, and holds no others', async () => {
    using upstream = await serveUpstream(replyWith('10.0.0.1', '9.9.9.1', '169.254.169.254'))
    const opened: string[] = []
    const open: AnswerOptions['open'] = async (addresses) =>
      void opened.push(...addresses.map(({ address }) => address))
    using resolver = await start(upstream.port, { allowed, open })
    const answer = await askUdp(resolver.port, queryOf('a.test'))
    expect([codeOf(answer), countOf(answer)]).toEqual([0, 1])
    expect(answer!.subarray(-4)).toEqual(Buffer.of(9, 9, 9, 1))
    expect(opened).toEqual(['9.9.9.1'])
  })

  test('is a refusal when all of it is private', async () => {
    using upstream = await serveUpstream(replyWith('10.0.0.1'))
    const opened: unknown[] = []
    using resolver = await start(upstream.port, { allowed, open: async (all) => void opened.push(all) })
    expect(codeOf(await askUdp(resolver.port, queryOf('a.test')))).toBe(5)
    expect(opened).toEqual([])
  })

  test('has nothing for records that carry data, and nobody outside is asked for them', async () => {
    using upstream = await serveUpstream(reply(1))
    using resolver = await start(upstream.port, { allowed, ipv6: false })
    for (const type of [5, 15, 16, 28, 33, 255]) {
      const answer = await askUdp(resolver.port, queryOf('a.test', type))
      expect([type, codeOf(answer), countOf(answer)]).toEqual([type, 0, 0])
    }
    expect(upstream.asked.udp).toBe(0)
    expect(countOf(await askUdp(resolver.port, queryOf('a.test', 1)))).toBe(1)
  })

  test('comes once its addresses are open', async () => {
    using upstream = await serveUpstream(reply(1))
    const opening = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const open = () => {
      asked.resolve()
      return opening.promise
    }
    using resolver = await start(upstream.port, { allowed, open })
    let answer: Buffer | undefined
    const answering = askUdp(resolver.port, queryOf('a.test')).then((came) => {
      answer = came
    })
    await asked.promise
    // An answer that did not wait would be here before that of a question that was asked later.
    expect(codeOf(await askUdp(resolver.port, queryOf('b.test')))).toBe(5)
    expect(answer).toBeUndefined()
    opening.resolve()
    await answering
    expect(countOf(answer)).toBe(1)
  })

  test('is the host’s name server’s: what others send to the same port is passed over', async () => {
    const liar = createSocket('udp4')
    const server = createSocket('udp4')
    await new Promise<void>((resolve) => server.bind(0, localhost, resolve))
    server.on('message', (query, from) => {
      liar.send(replyWith('8.8.8.8')(query), from.port, from.address, () =>
        server.send(replyWith('9.9.9.9')(query), from.port, from.address),
      )
    })
    try {
      using resolver = await start(server.address().port, { allowed })
      const answer = await askUdp(resolver.port, queryOf('a.test'))
      expect(answer!.subarray(-4)).toEqual(Buffer.of(9, 9, 9, 9))
    } finally {
      for (const socket of [liar, server]) socket.close()
    }
  })
})

describe('a flood', () => {
  test('has failures for answers, reaches the host’s name server in part, and leaves the network its names', async () => {
    using upstream = await serveUpstream(undefined)
    using resolver = await start(upstream.port, {}, 2000)
    const flood = Array.from({ length: 200 }, (_, index) =>
      askUdp(resolver.port, queryOf(`n${index}.test`), 8000),
    )
    await Bun.sleep(200)
    expect(countOf(await askUdp(resolver.port, queryOf('db')))).toBe(1)
    const codes = (await Promise.all(flood)).map(codeOf)
    expect(codes).toEqual(codes.map(() => 2))
    expect(upstream.asked.udp).toBeLessThanOrEqual(64)
    expect(upstream.asked.udp).toBeGreaterThan(0)
  }, 20_000)

  test('is over once its questions have their answers: others are asked for again', async () => {
    using upstream = await serveUpstream(reply(1))
    using resolver = await start(upstream.port)
    for (let question = 0; question < 70; question++)
      expect(countOf(await askUdp(resolver.port, queryOf(`n${question}.test`)))).toBe(1)
  }, 20_000)

  test('of connections is bounded, and so is what one of them may send', async () => {
    using resolver = await start(1)
    const open = Array.from({ length: 16 }, () => connect(resolver.port, localhost))
    try {
      await Promise.all(open.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
      expect(await askTcp(resolver.port, framed(queryOf('db')))).toBeUndefined()
      // Datagrams are answered meanwhile.
      expect(countOf(await askUdp(resolver.port, queryOf('db')))).toBe(1)
    } finally {
      for (const socket of open) socket.destroy()
    }
    const long = Buffer.concat([Buffer.of(0xff, 0xff), Buffer.alloc(60_000)])
    expect(await askTcp(resolver.port, long)).toBeUndefined()
    let answer: Buffer | undefined
    while (answer === undefined) answer = await askTcp(resolver.port, framed(queryOf('db')))
    expect(countOf(answer)).toBe(1)
  }, 20_000)

  test('of questions in one connection is answered one by one', async () => {
    using resolver = await start(1)
    const socket = connect(resolver.port, localhost)
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => received.push(chunk))
    for (let count = 0; count < 5; count++) socket.write(framed(queryOf('db')))
    const one = framed(Buffer.alloc(12 + questionOf('db').length + 16)).length
    while (Buffer.concat(received).length < 5 * one) await Bun.sleep(5)
    expect(Buffer.concat(received).length).toBe(5 * one)
    socket.destroy()
  }, 20_000)
})
