import { expect, test } from 'bun:test'
import type { DeviceRule } from '../resources.ts'
import type { OciSpec } from '../spec.ts'
import { deviceRights } from './device-rights.ts'
import { blockAccess } from './device-rules.ts'

const denyAll = { allow: false, access: 'rwm' }
/** What containerd writes for a privileged container without the host's devices. */
const unfenced: OciSpec = {
  process: {
    capabilities: {
      bounding: ['CAP_CHOWN', 'CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_MKNOD'],
    },
  },
  mounts: [{ destination: '/sys', type: 'sysfs', options: ['nosuid', 'rw'] }],
  linux: { maskedPaths: [], resources: { memory: { limit: 5 }, devices: [denyAll] } },
}
const everyDevice = [{ allow: true, access: 'rwm' }]

test('without any fence it is privileged, and gets every device', () => {
  expect(deviceRights(unfenced)).toEqual({ every: true, rules: everyDevice })
})

test('a disk that it is to read only, as a volume of Kubernetes, stays so without any fence', () => {
  const disk = { allow: true, type: 'b', major: 8, minor: 16, access: 'mr' }
  const rulesOf = (devices: DeviceRule[]) =>
    deviceRights({ ...unfenced, linux: { ...unfenced.linux, resources: { devices } } }).rules
  const [numbers, other] = [
    { major: 8, minor: 16 },
    { major: 8, minor: 32 },
  ]
  const readOnly = rulesOf([denyAll, disk])
  expect([blockAccess(numbers, readOnly), blockAccess(other, readOnly)]).toEqual(['rm', 'rwm'])
  expect(rulesOf([denyAll, { ...disk, access: 'mrw' }])).toEqual(everyDevice)
  expect(rulesOf([denyAll, disk, { ...disk, access: 'w' }])).toEqual(everyDevice)
  // As CRI-O allows nodes of all disks.
  expect(rulesOf([denyAll, { ...disk, major: -1, minor: -1, access: 'm' }])).toEqual(everyDevice)
})

test.each<[string, Partial<OciSpec>]>([
  ['one capability less', { process: { capabilities: { bounding: ['CAP_SYS_ADMIN', 'CAP_MKNOD'] } } }],
  ['a seccomp profile', { linux: { seccomp: { defaultAction: 'SCMP_ACT_ERRNO' } } }],
  ['masked paths', { linux: { maskedPaths: ['/proc/kcore'] } }],
  ['read-only paths', { linux: { readonlyPaths: ['/proc/sys'] } }],
  ['a read-only /sys', { mounts: [{ destination: '/sys', type: 'sysfs', options: ['ro'] }] }],
  ['no /sys', { mounts: [] }],
])('%s, and it is not', (_, fence) => {
  const linux = { ...unfenced.linux, ...fence.linux }
  expect(deviceRights({ ...unfenced, ...fence, linux })).toEqual({ every: false, rules: [denyAll] })
})

test('a spec that allows every device keeps the rules that take some away again', () => {
  const devices = [...everyDevice, { allow: false, type: 'b', major: 8, minor: 16, access: 'w' }]
  const rights = deviceRights({ linux: { resources: { devices } } })
  expect(rights).toEqual({ every: true, listsHost: true, rules: devices })
})

test.each([
  ['reading only', { allow: true, access: 'r' }],
  ['block devices only', { allow: true, type: 'b', access: 'rwm' }],
  ['one major number', { allow: true, major: 8, access: 'rwm' }],
  ['one minor number', { allow: true, minor: 8, access: 'rwm' }],
  ['nothing', { allow: false, access: 'rwm' }],
])('a rule of %s is not every device', (_, rule) => {
  expect(deviceRights({ linux: { resources: { devices: [rule] } } }).every).toBe(false)
})

test.each([
  ['of everything', { allow: false, access: 'rwm' }],
  ['without a word of allowing, which is a denial', { access: 'rwm' }],
  ['of writing', { allow: false, type: 'a', access: 'w' }],
])('every device, and then a denial %s: the last word counts', (_, denial) => {
  const rights = deviceRights({ linux: { resources: { devices: [...everyDevice, denial] } } })
  expect(rights.every).toBe(false)
  expect(deviceRights({ linux: { resources: { devices: [denial, ...everyDevice] } } }).every).toBe(true)
})

test('a rule for every device may say so with type a and -1 for its number', () => {
  const rule = { allow: true, type: 'a', major: -1, minor: -1, access: 'rwm' }
  expect(deviceRights({ linux: { resources: { devices: [rule] } } }).every).toBe(true)
})
