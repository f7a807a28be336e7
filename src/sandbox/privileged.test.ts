import { expect, test } from 'bun:test'
import type { OciSpec } from './oci.ts'
import { withEveryDevice } from './privileged.ts'

/** What containerd writes for a privileged container without the host's devices. */
const unfenced: OciSpec = {
  process: {
    capabilities: {
      bounding: ['CAP_CHOWN', 'CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_MKNOD'],
    },
  },
  mounts: [{ destination: '/sys', type: 'sysfs', options: ['nosuid', 'rw'] }],
  linux: { maskedPaths: [], resources: { memory: { limit: 5 }, devices: [{ allow: false, access: 'rwm' }] } },
}
const everyDevice = [{ allow: true, access: 'rwm' }]

test('without any fence it is privileged, and gets every device', () => {
  expect(withEveryDevice(unfenced).linux?.resources).toEqual({ memory: { limit: 5 }, devices: everyDevice })
})

test.each<[string, Partial<OciSpec>]>([
  ['one capability less', { process: { capabilities: { bounding: ['CAP_SYS_ADMIN', 'CAP_MKNOD'] } } }],
  ['a seccomp profile', { linux: { seccomp: {} } }],
  ['masked paths', { linux: { maskedPaths: ['/proc/kcore'] } }],
  ['read-only paths', { linux: { readonlyPaths: ['/proc/sys'] } }],
  ['a read-only /sys', { mounts: [{ destination: '/sys', type: 'sysfs', options: ['ro'] }] }],
  ['no /sys', { mounts: [] }],
])('%s, and it is not', (_, fence) => {
  const spec = { ...unfenced, ...fence }
  expect(withEveryDevice(spec)).toBe(spec)
})

test('a spec that allows every device stays as it is', () => {
  const spec = { linux: { resources: { devices: everyDevice } } }
  expect(withEveryDevice(spec)).toBe(spec)
})
