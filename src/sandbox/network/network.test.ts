import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { makeFifo } from '../../linux/files/fifo.ts'
import { callerOption } from '../../oci/caller-mount.ts'
import { networkRequest } from './network.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(`${tmpdir()}/network-`)
})
afterEach(() => rmSync(base, { recursive: true }))

/** The lines for the guest of a container that has `source` as its resolv.conf. */
const dnsOf = (source: string, options: string[] = ['rbind', 'ro']) =>
  networkRequest(
    {
      linux: { namespaces: [{ type: 'network', path: '/run/netns/x' }] },
      mounts: [{ destination: '/etc/resolv.conf', type: 'bind', source, options }],
    },
    { client: 'k8s.io', id: 'c', bundle: base },
  ).dns

test('the guest has the name servers of the pod', () => {
  writeFileSync(`${base}/conf`, 'nameserver 10.0.0.1\n\nsearch example.org\n')
  expect(dnsOf(`${base}/conf`)).toEqual(['nameserver 10.0.0.1', 'search example.org'])
})

test('a long file is cut', () => {
  writeFileSync(`${base}/conf`, `${'#'.repeat(63)}\n`.repeat(2000))
  expect(dnsOf(`${base}/conf`).length).toBe(1024)
})

test('what is no file, or is led to by a link of others, is not read', () => {
  makeFifo(`${base}/fifo`)
  writeFileSync(`${base}/secret`, 'root:x\n')
  symlinkSync(`${base}/secret`, `${base}/link`)
  for (const source of [`${base}/fifo`, '/dev/zero', base, `${base}/none`, `${base}/link`])
    expect(dnsOf(source)).toEqual([])
})

test('root reads no file that a user mounts there', () => {
  writeFileSync(`${base}/conf`, 'nameserver 10.0.0.1\n')
  const user = { uid: 1000, gid: 1000, guestUid: 0, guestGid: 0, device: 1n, inode: 2n }
  expect(dnsOf(`${base}/conf`, ['rbind', callerOption(user)])).toEqual([])
})
