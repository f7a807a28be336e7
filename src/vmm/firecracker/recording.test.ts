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
import { noDiskLimits } from '../machine/disk-limit.double.ts'
import type { VmSpec } from '../vmm.ts'
import { Drives } from './api/drives.ts'
import { firecrackerApi } from './settings/dialect.ts'
import { machineRequests } from './settings/requests.ts'

const recording = join(import.meta.dir, '../../../e2e/recordings/firecracker-1.16.1/session.jsonl')

interface Said {
  readonly way: '>' | '<'
  readonly raw: string
}
const session = readFileSync(recording, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Said)

/** What was changed on purpose since. */
const changes = {
  /** No guest of ours had a driver for that device. */
  left: 'PUT /entropy ',
  /** How a guest without a power switch ends. */
  added: 'agent.power_off=restart',
}

/** What was said and is still to be said, with its answer. */
const exchanges = session.flatMap(({ way, raw }, index) =>
  way === '>' && !raw.startsWith(changes.left) ? [{ request: raw, answer: session[index + 1]!.raw }] : [],
)

/** The pod of the recording. */
const spec: VmSpec = {
  sandboxId: 'rf',
  identity: { name: 'kata-1255', uid: 1, gid: 1, groups: [] },
  accelerator: 'kvm',
  privateDir: '/run/user/1',
  stateDir: '/run/x',
  kernel: '/k',
  initrd: '/i',
  kernelParams: [],
  vcpus: 1,
  maxVcpus: 0,
  memoryMiB: 512,
  maxMemoryMiB: 0,
  nics: [{ id: 'nic27', mac: 'f6:39:c0:7a:8a:60', mtu: 1500, taps: [], tap: 'tap27_kata' }],
}

/** Nodes that are only told of. */
class ToldNodes extends DiskNodes {
  constructor() {
    super({ pid: 1, uid: 1, directory: '/drives' })
  }
  override during<T>({ id }: { id: string }, use: (path: string) => Promise<T>): Promise<T> {
    return use(`/drives/${id}`)
  }
}

/** What every guest's kernel is told is no part of the API, and changes for reasons of its own: only what this driver adds. */
function withOwnParameters(raw: string): string {
  const own = /"boot_args":"[^"]*( pci=off [^"]*)"/.exec(raw)?.[1]
  if (own === undefined) return raw
  return raw
    .replace(/"boot_args":"[^"]*"/, `"boot_args":"...${own}"`)
    .replace(/Content-Length: \d+/, 'Content-Length: ...')
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
      socket.write(exchanges[sent.length]?.answer ?? 'HTTP/1.1 204 \r\n\r\n')
      sent.push(text)
      text = ''
    },
  })
  const api = await ApiClient.open(ours, firecrackerApi)
  await use(api)
  api.close()
  peer.end()
  return sent
}

test('the driver says what was recorded, and understands the answers', async () => {
  const sent = await play(async (api) => {
    const { first, rest } = machineRequests(spec, {
      ...noDiskLimits,
      enableHugepages: false,
      reclaimGuestFreedMemory: false,
    })
    expect(await api.get('version')).toEqual({ firecracker_version: '1.16.1' })
    for (const { path, body } of [...first, ...rest]) expect(await api.put(path, { body })).toBeUndefined()
    await api.put('actions', { body: { action_type: 'InstanceStart' } })
    const patch = async (id: string, path: string) => {
      await api.patch(`drives/${id}`, { body: { drive_id: id, path_on_host: path } })
    }
    const drives = new Drives({ spec, nodes: new ToldNodes(), patch })
    const disk = { name: 'disk', fd: 7, kind: 'block', bus: 'virtio-mmio', readonly: false } as const
    for (const id of ['disk1', 'disk2']) await drives.plug({ ...disk, id, direct: false })
  })
  const old = 'the recording in e2e/recordings is of other requests: make it anew'
  const recorded = exchanges.map(({ request }) =>
    withOwnParameters(request).replace('reboot=k ', `reboot=k ${changes.added} `),
  )
  expect({ old, sent: sent.map(withOwnParameters) }).toEqual({ old, sent: recorded })
})
