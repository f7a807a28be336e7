import { expect, test } from 'bun:test'
import { closeSync } from 'node:fs'
import type { Socket } from 'bun'
import { adoptSocket } from '../../linux/sockets/adopt-socket.ts'
import { socketPair } from '../../linux/sockets/socket.ts'
import { clhApi } from '../cloud-hypervisor/settings/dialect.ts'
import { ApiClient } from './api.ts'

interface Asked {
  readonly first: string
  readonly body: string
}

/** A VMM that answers each request with what `answer` gives; requests are separated by their Content-Length. */
async function withVmm(
  answer: (asked: Asked, socket: Socket<undefined>) => string,
  use: (api: ApiClient, asked: Asked[]) => Promise<void>,
): Promise<void> {
  const [ours, theirs] = socketPair()
  const asked: Asked[] = []
  let text = ''
  const peer = await adoptSocket(theirs, {
    data: (socket, bytes) => {
      text += bytes.toString()
      for (;;) {
        const end = text.indexOf('\r\n\r\n')
        const length = Number(/^content-length: (\d+)/im.exec(text.slice(0, Math.max(end, 0)))?.[1] ?? 0)
        if (end < 0 || text.length < end + 4 + length) return
        asked.push({
          first: text.slice(0, text.indexOf('\r\n')),
          body: text.slice(end + 4, end + 4 + length),
        })
        text = text.slice(end + 4 + length)
        socket.write(answer(asked.at(-1)!, socket))
      }
    },
  })
  const api = await ApiClient.open(ours, clhApi)
  try {
    await use(api, asked)
  } finally {
    api.close()
    peer.end()
  }
}

const done = 'HTTP/1.1 204 \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n\r\n'
const said = (status: number, value: unknown) => {
  const body = JSON.stringify(value)
  return `HTTP/1.1 ${status} \r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

test('calls go out one after the other and get their answers', async () => {
  const answer = ({ first }: Asked) => (first.startsWith('GET') ? said(200, { version: '48.0.0' }) : done)
  await withVmm(answer, async (api, asked) => {
    const calls = [
      api.get('vmm.ping'),
      api.put('vm.resize', { body: { desired_vcpus: 2 } }),
      api.put('vm.boot'),
    ]
    expect(await Promise.all(calls)).toEqual([{ version: '48.0.0' }, undefined, undefined])
    expect(asked).toEqual([
      { first: 'GET /api/v1/vmm.ping HTTP/1.1', body: '' },
      { first: 'PUT /api/v1/vm.resize HTTP/1.1', body: '{"desired_vcpus":2}' },
      { first: 'PUT /api/v1/vm.boot HTTP/1.1', body: '' },
    ])
  })
})

test('a refusal is told with all its causes', async () => {
  await withVmm(
    () => said(500, ['Error from API', 'The disk could not be added', 'Permission denied\n']),
    (api) =>
      expect(api.put('vm.add-disk', { body: {} })).rejects.toThrow(
        '[VMM_COMMAND_FAILED] the VMM refused vm.add-disk: Error from API: The disk could not be added: Permission denied',
      ) as never,
  )
})

test('a VMM that is busy is asked again, and not for ever', async () => {
  let busy = 3
  await withVmm(
    () => (busy-- > 0 ? said(429, ['Too Many Requests']) : done),
    async (api, asked) => {
      await api.put('vm.resize', { body: {} })
      expect(asked.length).toBe(4)
      busy = 1000
      await expect(api.put('vm.resize', { body: {} })).rejects.toThrow('Too Many Requests')
      expect(asked.length).toBe(24)
    },
  )
})

test('an answer that comes too late is nobody else’s', async () => {
  let release = () => {}
  const answer = ({ first }: Asked, socket: Socket<undefined>) => {
    if (!first.includes('vm.boot')) return said(200, 'pong')
    release = () => void socket.write(said(200, 'late'))
    return ''
  }
  await withVmm(answer, async (api, asked) => {
    await expect(api.put('vm.boot', { timeoutMs: 20 })).rejects.toThrow('VMM_COMMAND_TIMEOUT')
    // One whose turn never comes is not sent afterwards.
    await expect(api.put('vm.pause', { timeoutMs: 20 })).rejects.toThrow('VMM_COMMAND_TIMEOUT')
    const ping = api.get('vmm.ping')
    release()
    expect(await ping).toBe('pong')
    expect(asked.map(({ first }) => first.split(' ')[1])).toEqual(['/api/v1/vm.boot', '/api/v1/vmm.ping'])
  })
})

test('a VMM that goes away fails what is waited for and what comes later', async () => {
  const leave = (_: Asked, socket: Socket<undefined>) => {
    socket.end()
    return ''
  }
  await withVmm(leave, async (api) => {
    await expect(api.put('vm.boot')).rejects.toThrow('[VMM_DISCONNECTED]')
    expect(await api.closed).toBeUndefined()
    await expect(api.put('vm.pause')).rejects.toThrow('[VMM_DISCONNECTED]')
  })
})

test('a VMM that was gone before it was asked anything is gone, not a failed system call', async () => {
  const [ours, theirs] = socketPair()
  closeSync(theirs)
  const api = await ApiClient.open(ours, clhApi)
  await expect(api.get('vmm.ping')).rejects.toThrow('[VMM_DISCONNECTED]')
})

test.each([
  ['no HTTP', () => 'hello\r\n\r\n'],
  ['two answers to one call', () => done + done],
  ['a body that is not JSON', () => 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]'],
])('a VMM that sends %s is not believed', async (_, answer) => {
  await withVmm(answer, async (api) => {
    await api.put('vm.boot').catch((error) => expect(String(error)).toContain('VMM_PROTOCOL'))
    await expect(api.put('vm.pause')).rejects.toThrow(/VMM_(PROTOCOL|DISCONNECTED)/)
  })
})

test('a descriptor that cannot be sent fails its call only', async () => {
  await withVmm(
    () => done,
    async (api) => {
      const [one, other] = socketPair()
      closeSync(one)
      closeSync(other)
      await expect(api.put('vm.add-net', { body: {}, fds: [other] })).rejects.toThrow('EBADF')
      await api.put('vm.boot')
    },
  )
})

test('a VMM that was gone before anything was asked is told as that', async () => {
  const [ours, theirs] = socketPair()
  const api = await ApiClient.open(ours, clhApi)
  closeSync(theirs)
  await expect(api.get('vmm.ping')).rejects.toThrow('[VMM_DISCONNECTED]')
  api.close()
})
