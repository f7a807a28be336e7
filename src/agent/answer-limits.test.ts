import { expect, test } from 'bun:test'
import { WireWriter } from '../protobuf/wire-writer.ts'
import { Routes, StatsContainerResponse } from '../protocol/generated/agent.ts'
import { encodeResponse } from '../ttrpc/envelope.ts'
import { connect, TtrpcError, transportPair } from '../ttrpc/ttrpc.ts'
import { bytesField, join } from '../ttrpc/wire.ts'
import { agentClients } from './client.ts'

/** An agent that answers every call with `payload`. */
function agentThatSays(payload: Uint8Array) {
  const [left, right] = transportPair()
  let stream = 1
  right.onData(() => {
    right.write(encodeResponse(stream, { payload }))
    stream += 2
  })
  return agentClients(connect(left)).agent
}

/** Empty network statistics, two bytes each. */
const interfaces = (count: number) => {
  const writer = new WireWriter()
  for (let index = 0; index < count; index++) writer.message(2, () => {})
  return writer.finish()
}

const failure = (call: Promise<unknown>) =>
  call.then(
    () => 'answered',
    (error) => (error instanceof TtrpcError ? error : undefined),
  )

test('statistics of a large machine are taken', async () => {
  const bytes = 4_000_000_000_000n
  const network = { name: 'eth0', rxBytes: bytes, txBytes: bytes, rxPackets: bytes, txPackets: bytes }
  const percpuUsage = Array.from({ length: 512 }, () => bytes)
  const op = { major: 8n, minor: 16n, op: 'read', value: bytes }
  const stats = StatsContainerResponse.fromPartial({
    cgroupStats: {
      cpuStats: { cpuUsage: { percpuUsage } },
      blkioStats: { ioServiceBytesRecursive: Array.from({ length: 256 }, () => op) },
    },
    networkStats: Array.from({ length: 64 }, () => network),
  })
  const agent = agentThatSays(StatsContainerResponse.encode(stats).finish())
  expect(await agent.statsContainer({ containerId: 'c' })).toEqual(stats)
})

test('an answer of few bytes and very many values is not decoded to its end', async () => {
  const agent = agentThatSays(interfaces(100_000))
  expect(await failure(agent.statsContainer({ containerId: 'c' }))).toMatchObject({
    message: 'answer of grpc.AgentService/StatsContainer not understood',
    cause: { message: 'malformed message: it has too many values' },
  })
})

test('and one of many bytes is not decoded at all', async () => {
  const agent = agentThatSays(interfaces(400_000))
  expect(await failure(agent.statsContainer({ containerId: 'c' }))).toMatchObject({
    code: 'resource_exhausted',
    message: expect.stringMatching(/^an answer of 8000\d\d bytes is over the limit of 262144$/),
  })
  const says = (length: number) => agentThatSays(join(bytesField(1, Buffer.alloc(length, 'x'))))
  expect(await failure(says(70_000).getOOMEvent({}))).toMatchObject({ code: 'resource_exhausted' })
  const { readStdout } = says(2 ** 21 + 65)
  expect(await failure(readStdout({ len: 65536 }))).toMatchObject({ code: 'resource_exhausted' })
})

test('the table of routes may be long, as nobody reads it', async () => {
  const route = { dest: '192.0.2.0/24', gateway: '198.51.100.1', device: 'eth0' }
  const routes = Array.from({ length: 15_000 }, () => route)
  const table = Routes.encode(Routes.fromPartial({ routes })).finish()
  expect(table.length).toBeGreaterThan(65_536)
  expect(await agentThatSays(table).updateRoutes({})).toEqual(Routes.fromPartial({}))
})

test('a whole chunk of output is taken', async () => {
  const chunk = join(bytesField(1, new Uint8Array(65536)))
  expect((await agentThatSays(chunk).readStdout({ len: 65536 })).data.length).toBe(65536)
})
