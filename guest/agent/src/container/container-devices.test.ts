import { expect, test } from 'bun:test'
import { Device } from '../../../../src/protocol/generated/agent.ts'
import { Spec } from '../../../../src/protocol/generated/oci.ts'
import { withGuestDevices } from './container-devices.ts'

const disk = (path: string, minor: bigint) => ({ path, type: 'b', major: 8n, minor })
const rule = (minor: bigint, access = 'rwm') => ({ allow: true, type: 'b', major: 8n, minor, access })
const asked = (containerPath: string) => Device.fromPartial({ containerPath })
const spec = Spec.fromPartial({
  linux: {
    devices: [disk('/dev/xvda', 16n), disk('/dev/xvdb', 32n), { path: '/dev/fuse', type: 'c', major: 10n }],
    resources: { devices: [{ allow: false, access: 'rwm' }, rule(16n), rule(32n, 'rm')] },
  },
})

test('devices and their rules get the guest’s numbers, all at once', () => {
  // The new number of the first is the old one of the second.
  const found = [
    { major: 8n, minor: 32n },
    { major: 253n, minor: 0n },
  ]
  const { linux } = withGuestDevices(spec, [asked('/dev/xvda'), asked('/dev/xvdb')], found)
  expect(linux?.devices.map(({ major, minor }) => `${major}:${minor}`)).toEqual(['8:32', '253:0', '10:0'])
  expect(linux?.resources?.devices.slice(1)).toMatchObject([
    { major: 8n, minor: 32n, access: 'rwm' },
    { major: 253n, minor: 0n, access: 'rm' },
  ])
})

test('no disk keeps the host’s number: two with one path, or one that is listed under a second path', () => {
  const [first, second] = [
    { major: 254n, minor: 0n },
    { major: 254n, minor: 16n },
  ]
  const numbersOf = (
    devices: { path: string; minor: bigint }[],
    paths: string[],
    found: (typeof first)[],
  ) => {
    const resources = { devices: devices.map(({ minor }) => rule(minor)) }
    const { linux } = withGuestDevices(
      Spec.fromPartial({ linux: { devices, resources } }),
      paths.map(asked),
      found,
    )
    return [linux?.devices, linux?.resources?.devices].map((all) =>
      all?.map(({ major, minor }) => ({ major, minor })),
    )
  }
  const twins = [disk('/dev/xvda', 16n), disk('/dev/xvda', 32n)]
  expect(numbersOf(twins, ['/dev/xvda', '/dev/xvda'], [first!, second!])).toEqual([
    [first, second],
    [first, second],
  ])
  const listed = [disk('/dev/sdb', 16n), disk('/dev/xvda', 16n)]
  expect(numbersOf(listed, ['/dev/xvda'], [first!])).toEqual([
    [first, first],
    [first, first],
  ])
})

test('a disk that is shown as a mount gets a rule of its own', () => {
  const { linux } = withGuestDevices(spec, [], [], [{ major: 8n, minor: 48n, access: 'rm' }])
  expect(linux?.resources?.devices.at(-1)).toEqual(rule(48n, 'rm'))
  expect(linux?.devices).toEqual(spec.linux!.devices)
})

test('without devices nothing changes, and one that the spec lacks is refused', () => {
  expect(withGuestDevices(spec, [], [])).toBe(spec)
  expect(() => withGuestDevices(spec, [asked('/dev/sda')], [{ major: 8n, minor: 0n }])).toThrow('/dev/sda')
})
