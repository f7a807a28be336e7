import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdirSync } from 'node:fs'
import { bindMount, mount } from '../linux/mounts/mount.ts'
import { guardWritable } from './pod-share.ts'
import { enterMountSandbox, type MountSandbox } from './testing.ts'

let sandbox: MountSandbox
beforeAll(() => {
  sandbox = enterMountSandbox()
})
afterAll(() => sandbox.leave())

test('a CSI volume that is bound from another directory of the host is guarded, a file system of its own is not', () => {
  const kubelet = `${sandbox.directory}/kubelet`
  const volume = (name: string) => `${kubelet}/pods/uid/volumes/kubernetes.io~csi/${name}/mount`
  for (const name of ['own', 'bound', 'plain']) mkdirSync(volume(name), { recursive: true })
  chmodSync(`${kubelet}/pods`, 0o750)
  mkdirSync(`${sandbox.directory}/driver/data/deep`, { recursive: true })
  mount({ source: 'none', target: volume('own'), type: 'tmpfs' })
  bindMount(`${sandbox.directory}/driver/data`, volume('bound'))
  const isGuarded = guardWritable([], kubelet)
  const guarded = (source: string) =>
    isGuarded('c', { source, destination: '/d', readonly: false, recursive: true })
  expect(guarded(volume('own'))).toBe(false)
  expect(guarded(volume('plain'))).toBe(false)
  expect(guarded(volume('bound'))).toBe(true)
  expect(guarded(`${volume('bound')}/deep`)).toBe(true)
})
