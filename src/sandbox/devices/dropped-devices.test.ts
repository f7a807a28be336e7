import { expect, test } from 'bun:test'
import { deviceRights } from '../../oci/devices/device-rights.ts'
import type { DeviceRule } from '../../oci/resources.ts'
import type { OciDevice, OciSpec } from '../../oci/spec.ts'
import { droppedDevices } from './dropped-devices.ts'
import type { VfioHost } from './vfio-devices.ts'

/** The group of VFIO is 243:0. */
const host = {
  find: ({ major, minor }) => (major === 243 && minor === 0 ? [] : undefined),
  isCommon: ({ major, minor }) => major === 10 && minor === 196,
} as Pick<VfioHost, 'find' | 'isCommon'> as VfioHost

const node = (path: string, major: number, minor: number, type = 'c') => ({ path, type, major, minor })
const ruleOf = ({ path: _path, ...numbers }: ReturnType<typeof node>) => ({
  allow: true,
  ...numbers,
  access: 'rwm',
})
const nvidia = node('/dev/nvidia0', 195, 0)
const group = node('/dev/vfio/12', 243, 0)
const common = node('/dev/vfio/vfio', 10, 196)
const everyDevice = { allow: true, access: 'rwm' }

function dropped(devices: OciDevice[], rules: DeviceRule[], more: OciSpec = {}) {
  const spec = { ...more, linux: { devices, resources: { devices: rules } } }
  return droppedDevices({ id: 'c', spec, rights: deviceRights(spec) }, host)
}

test('a device of the host that a privileged container asks for by name is told', () => {
  const devices = [node('/dev/null', 1, 3), nvidia, node('/dev/snd/timer', 116, 33)]
  expect(dropped(devices, [everyDevice, ruleOf(nvidia)])).toMatch(
    /^container c does not get \/dev\/nvidia0 \(c 195:0\) of the host, .*vfio-pci/,
  )
})

test('a list of all of the host’s devices names none, and devices that the machine has are there', () => {
  const zero = node('/dev/zero', 1, 5)
  const disk = node('/dev/sdb', 8, 16, 'b')
  expect(dropped([nvidia, zero], [everyDevice, ruleOf(zero)])).toBeUndefined()
  expect(dropped([nvidia, common, group], [everyDevice, ruleOf(group), ruleOf(common)])).toBeUndefined()
  expect(dropped([disk], [everyDevice, ruleOf(disk)])).toBeUndefined()
  expect(dropped([], [everyDevice])).toBeUndefined()
})

test('without the host’s devices the list is what a privileged container asks for', () => {
  const bounding = ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_MKNOD']
  const unfenced = {
    process: { capabilities: { bounding } },
    mounts: [{ destination: '/sys', type: 'sysfs' }],
  }
  expect(dropped([nvidia], [{ allow: false, access: 'rwm' }], unfenced)).toContain('/dev/nvidia0')
})

test('a container that has not every device is refused elsewhere', () => {
  expect(dropped([nvidia], [{ allow: false, access: 'rwm' }, ruleOf(nvidia)])).toBeUndefined()
})

test('of many devices the first ones are named', () => {
  const many = Array.from({ length: 12 }, (_, minor) => node(`/dev/nvidia${minor}`, 195, minor))
  const warning = dropped(many, [everyDevice, ...many.map(ruleOf)])
  expect(warning).toContain('/dev/nvidia9 (c 195:9) and 2 more of the host')
  expect(warning).not.toContain('/dev/nvidia10')
})
