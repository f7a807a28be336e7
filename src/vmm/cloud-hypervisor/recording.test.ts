/**
 * What the driver says over the life of a pod, byte for byte as in the recording of the real program, which answers here
 * with what it answered then. A request that is meant to change makes the recording old: e2e/recordings says what to do.
 */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adoptSocket } from '../../linux/sockets/adopt-socket.ts'
import { socketPair } from '../../linux/sockets/socket.ts'
import { DiskNodes } from '../host/disk-nodes.ts'
import { ApiClient } from '../http/api.ts'
import type { VmSpec } from '../vmm.ts'
import { Disks } from './api/disks.ts'
import { EventReader } from './api/events.ts'
import { clhApi } from './settings/dialect.ts'
import { netConfig } from './settings/nic.ts'
import { vmConfig } from './settings/vm-config.ts'

const directory = join(import.meta.dir, '../../../e2e/recordings/cloud-hypervisor-53.0')
const lines = <T>(name: string): T[] =>
  readFileSync(join(directory, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)

interface Said {
  readonly way: '>' | '<'
  readonly raw: string
  readonly fds?: number
}
const session = lines<Said>('session.jsonl')
const requests = session.filter(({ way }) => way === '>')
const answers = session.filter(({ way }) => way === '<')

/** The pod of the recording. */
const spec: VmSpec = {
  sandboxId: 'rf',
  identity: { name: 'kata-2675', uid: 1, gid: 1, groups: [993] },
  accelerator: 'kvm',
  privateDir: '/run/user/1',
  stateDir: '/run/x',
  kernel: '/k',
  initrd: '/i',
  kernelParams: [],
  vcpus: 2,
  maxVcpus: 2,
  memoryMiB: 768,
  maxMemoryMiB: 7936,
  share: { tag: 'kataShared', socket: '/run/user/1/vhost-fs.sock', queueSize: 1024 },
}
const nic = { id: 'nic18', mac: '46:ef:4c:b6:53:db', mtu: 1400, taps: [1] }

/** Nodes that are only told of. */
class ToldNodes extends DiskNodes {
  constructor() {
    super({ pid: 1, uid: 1, directory: '/disks' })
  }
  override during<T>({ id }: { id: string }, use: (path: string) => Promise<T>): Promise<T> {
    return use(`/disks/${id}`)
  }
}

/** What the guest's kernel is told is no part of the API, and changes for reasons of its own: only what this driver adds. */
function withoutGuestParameters(raw: string): string {
  const added = / agent\.server_addr=\S+ memhp_default_state=online/.exec(raw)?.[0]
  const cut = raw.replace(/"cmdline":"[^"]*"/, `"cmdline":"...${added}"`)
  return cut.includes('vm.create') ? cut.replace(/Content-Length: \d+/, 'Content-Length: ...') : cut
}

/** A peer that answers as the real program did, and keeps what it was sent. */
async function play(use: (api: ApiClient) => Promise<void>): Promise<string[]> {
  const [ours, theirs] = socketPair()
  const sent: string[] = []
  let text = ''
  const peer = await adoptSocket(theirs, {
    data: (socket, bytes) => {
      text += bytes.toString()
      const end = text.indexOf('\r\n\r\n')
      const length = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0)
      if (end < 0 || text.length < end + 4 + length) return
      socket.write(answers[sent.length]!.raw)
      sent.push(text)
      text = ''
    },
  })
  const api = await ApiClient.open(ours, clhApi)
  await use(api)
  api.close()
  peer.end()
  return sent
}

/** Said since the recording, whose vm.info knows the field. */
const notNested = ',"nested":false'

test('the driver says what was recorded, and understands the answers', async () => {
  const sent = await play(async (api) => {
    const settings = { entropySource: '/dev/urandom', hostCpus: 4, hostMemoryMiB: 8192 }
    const body = vmConfig(spec, { ...settings, enableMemPrealloc: false, reclaimGuestFreedMemory: false })
    expect(await api.get('vmm.ping')).toMatchObject({ version: '53.0.0' })
    expect(await api.put('vm.create', { body })).toBeUndefined()
    expect(await api.put('vm.add-net', { body: netConfig(nic) })).toBeUndefined()
    expect(await api.put('vm.boot')).toBeUndefined()
    const put = (command: string, options = {}) => api.put(command, options)
    const disks = new Disks({ put, info: () => api.get('vm.info') }, new ToldNodes())
    const disk = { id: 'disk1', name: 'disk', fd: 7, kind: 'block', readonly: false, direct: false } as const
    expect(await disks.plug({ ...disk, bus: 'virtio-blk' })).toEqual({ driver: 'blk', pciPath: '05' })
    expect(await api.put('vmm.shutdown')).toBeUndefined()
  })
  const old = 'the recording in e2e/recordings is of other requests: make it anew'
  expect({ old, sent: sent.map((raw) => withoutGuestParameters(raw.replace(notNested, ''))) }).toEqual({
    old,
    sent: requests.map(({ raw }) => withoutGuestParameters(raw)),
  })
})

test('its events are read', () => {
  const recorded = lines<{ source: string; event: string }>('events.jsonl')
  const stream = recorded.map((event) => `${JSON.stringify(event, null, 2)}\n\n`).join('')
  const seen = new EventReader().push(Buffer.from(stream))
  expect(seen).toEqual(recorded.map(({ source, event }) => ({ source, event })))
  // What the driver acts upon.
  for (const event of ['rebooting', 'shutdown']) expect(seen).toContainEqual({ source: 'vm', event })
})
