import { expect, test } from 'bun:test'
import { guestSpec, isHostBind, sharesPidNamespace } from './guest-spec.ts'
import type { OciSpec } from './oci.ts'

const spec: OciSpec = {
  ociVersion: '1.2.0',
  root: { path: '/host/bundle/rootfs', readonly: true },
  process: { args: ['sh'] },
  hooks: { prestart: [{ path: '/host/hook' }] },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/data', type: 'bind', source: '/host/data', options: ['rbind', 'ro'] },
    { destination: '/dev/shm', type: 'bind', source: '/host/shm', options: ['rbind'] },
  ],
  linux: {
    cgroupsPath: '/host/cgroup',
    namespaces: [
      { type: 'pid', path: '/proc/7/ns/pid' },
      { type: 'network', path: '/run/netns/x' },
      { type: 'ipc', path: '/proc/7/ns/ipc' },
      { type: 'mount' },
    ],
    resources: { devices: [{ allow: false }], pids: { limit: 5 }, memory: { limit: 1 } },
    seccomp: { defaultAction: 'SCMP_ACT_ERRNO' },
    maskedPaths: ['/proc/kcore'],
  },
}
const input = {
  spec,
  rootfs: '/guest/rootfs',
  bindSources: new Map([[1, '/guest/data']]),
  disableGuestSeccomp: false,
}

test('nothing of the host is named in what the guest gets', () => {
  const guest = guestSpec(input)
  expect(JSON.stringify(guest)).not.toContain('/host/')
  expect(JSON.stringify(guest)).not.toContain('/run/netns')
  expect(guest.root).toEqual({ path: '/guest/rootfs', readonly: true })
  expect(guest.linux?.namespaces).toEqual([{ type: 'ipc' }, { type: 'mount' }, { type: 'pid' }])
})

test('a container joins the pid namespace of its pod when the host names one, and never that of the agent', () => {
  expect(sharesPidNamespace(spec)).toBe(true)
  for (const namespaces of [[{ type: 'pid' }], []]) {
    const other = { ...spec, linux: { ...spec.linux, namespaces } }
    expect(sharesPidNamespace(other)).toBe(false)
    expect(guestSpec({ ...input, spec: other }).linux?.namespaces).toEqual([{ type: 'pid' }])
  }
})

test('limits, masked paths and seccomp are kept', () => {
  const { linux } = guestSpec(input)
  expect(linux?.resources).toEqual({ pids: { limit: 5 }, memory: { limit: 1 } })
  expect(linux?.maskedPaths).toEqual(['/proc/kcore'])
  expect(linux?.seccomp).toEqual({ defaultAction: 'SCMP_ACT_ERRNO' })
})

test('guest seccomp can be switched off', () => {
  expect(guestSpec({ ...input, disableGuestSeccomp: true }).linux?.seccomp).toBeUndefined()
})

test('a bind mount is one by type or by option, but /dev/shm becomes the guest’s own', () => {
  expect(spec.mounts!.map(isHostBind)).toEqual([false, true, false])
  expect(isHostBind({ destination: '/x', type: 'none', options: ['rbind'] })).toBe(true)
  expect(guestSpec(input).mounts?.[2]).toMatchObject({ type: 'tmpfs' })
})
