import { afterAll, expect, test } from 'bun:test'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { Socket } from 'bun'
import { connectUnix, socketPair } from '../../../linux/sockets/socket.ts'
import { QmpClient, type QmpEvent } from './qmp.ts'

const directory = mkdtempSync(`${tmpdir()}/qmp-`)
afterAll(() => rmSync(directory, { recursive: true }))
let count = 0

const greeting = '{"QMP":{"version":{"qemu":{"major":10,"minor":0,"micro":1}},"capabilities":[]}}\n'
type Command = { execute: string; id: number }

/** A peer that greets and then answers each command with what `answer` gives. */
async function withPeer(
  answer: (command: Command, socket: Socket) => string,
  use: (client: QmpClient, events: QmpEvent[]) => Promise<void>,
  hello = greeting,
): Promise<void> {
  const path = `${directory}/${count++}`
  const peers: Socket[] = []
  let unsent = Buffer.from(hello)
  const greet = (socket: Socket) => {
    unsent = unsent.subarray(socket.write(unsent))
  }
  const server = Bun.listen({
    unix: path,
    socket: {
      open: (socket) => {
        peers.push(socket)
        greet(socket)
      },
      drain: greet,
      data: (socket, bytes) => {
        for (const line of bytes.toString().trim().split('\n')) socket.write(answer(JSON.parse(line), socket))
      },
    },
  })
  const events: QmpEvent[] = []
  const client = await QmpClient.open(connectUnix(path), (event) => events.push(event))
  try {
    await use(client, events)
  } finally {
    client.close()
    for (const peer of peers) peer.end()
    server.stop(true)
  }
}
const ok = ({ id }: Command) => `{"return":{},"id":${id}}\n`

test('negotiates and matches answers to commands by id', async () => {
  const held: Command[] = []
  const outOfOrder = (command: Command) => {
    if (command.execute === 'qmp_capabilities') return ok(command)
    held.push(command)
    if (held.length < 2) return ''
    return held
      .toReversed()
      .map(({ execute, id }) => `{"return":"${execute}","id":${id}}\n`)
      .join('')
  }
  await withPeer(outOfOrder, async (client) => {
    expect(await client.negotiate(1000)).toEqual({ major: 10, minor: 0, micro: 1 })
    expect(await Promise.all([client.execute('one'), client.execute('two')])).toEqual(['one', 'two'])
  })
})

test('hands on events and refusals', async () => {
  const answer = ({ id, execute }: Command) =>
    execute === 'qmp_capabilities'
      ? `{"event":"RESUME"}\n{"return":{},"id":${id}}\n`
      : `{"error":{"class":"GenericError","desc":"not now"},"id":${id}}\n`
  await withPeer(answer, async (client, events) => {
    await client.negotiate(1000)
    expect(events).toEqual([{ name: 'RESUME', data: {} }])
    await expect(client.execute('cont')).rejects.toThrow('[VMM_COMMAND_FAILED] the VMM refused cont: not now')
  })
})

test('a peer that says nothing runs into the deadline', async () => {
  await withPeer(
    () => '',
    (client) => expect(client.negotiate(20)).rejects.toThrow(/VMM_COMMAND_TIMEOUT/) as never,
    '',
  )
})

test('a peer that goes away fails what is waited for and what comes later', async () => {
  const leave = (_: Command, socket: Socket) => {
    socket.end()
    return ''
  }
  await withPeer(leave, async (client) => {
    await expect(client.execute('cont')).rejects.toThrow(/VMM_DISCONNECTED/)
    expect(await client.closed).toBeUndefined()
    await expect(client.execute('stop')).rejects.toThrow(/VMM_DISCONNECTED/)
  })
})

test.each([
  ['no JSON', 'hello\n'],
  ['an answer to nothing', '{"return":{},"id":77}\n'],
  ['an endless line', 'x'.repeat(300_000)],
])('a peer that sends %s is cut off', async (_, bytes) => {
  await withPeer(
    ok,
    async (client) => {
      expect((await client.closed)?.code).toBe('VMM_PROTOCOL')
      await expect(client.execute('cont')).rejects.toThrow(/VMM_DISCONNECTED/)
    },
    bytes,
  )
})

test('a descriptor that cannot be sent fails its command only', async () => {
  await withPeer(ok, async (client) => {
    await client.negotiate(1000)
    const closed = connectUnix(`${directory}/${count - 1}`)
    closeSync(closed)
    await expect(client.execute('getfd', { fdname: 'x' }, { fds: [closed] })).rejects.toThrow(/EBADF/)
    expect(await client.execute('cont')).toEqual({})
  })
})

test('a peer that was gone before anything was asked is told as that', async () => {
  const [ours, theirs] = socketPair()
  const client = await QmpClient.open(ours, () => {})
  closeSync(theirs)
  await expect(client.execute('query-status')).rejects.toThrow('[VMM_DISCONNECTED]')
  client.close()
})
