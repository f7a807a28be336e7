import { describe, expect, test } from 'bun:test'
import { guestDeviceRules, withGuestDevices } from '../guest/devices.ts'
import type { DeviceRule } from '../resources.ts'
import { blockAccess } from './device-rules.ts'

const denyAll = { allow: false, access: 'rwm' }
const disk = { allow: true, type: 'b', major: 8, minor: 16, access: 'rm' }
const fuse = { allow: true, type: 'c', major: 10, minor: 229, access: 'rwm' }

describe('whether a disk may be written', () => {
  const numbers = { major: 8, minor: 16 }
  test.each([
    ['without rules', [], true],
    ['denied like everything', [denyAll], false],
    ['allowed to be read', [denyAll, disk], false],
    ['allowed by its number', [denyAll, { ...disk, access: 'rwm' }], true],
    ['by its major', [denyAll, { allow: true, type: 'b', major: 8, access: 'w' }], true],
    ['with -1 for any', [denyAll, { allow: true, type: 'b', major: 8, minor: -1, access: 'w' }], true],
    ['another minor', [denyAll, { ...disk, minor: 17, access: 'rwm' }], false],
    ['a character device', [denyAll, { ...disk, type: 'c', access: 'rwm' }], false],
    ['everything, as privileged containers', [{ allow: true, access: 'rwm' }], true],
    [
      'a rule that does not say whether it allows',
      [{ type: 'b', major: 8, minor: 16, access: 'rwm' }],
      false,
    ],
  ])('%s', (_, rules, expected) => {
    expect(blockAccess(numbers, rules).includes('w')).toBe(expected)
  })
})

describe('what may be done with a disk', () => {
  const numbers = { major: 8, minor: 16 }
  const { access: _rights, ...unsaid } = disk
  test.each([
    ['everything without rules', [], 'rwm'],
    ['nothing where everything is denied', [denyAll], ''],
    ['each right by the last rule about it', [denyAll, disk, { ...disk, access: 'w' }], 'rwm'],
    ['no right that a later rule denies', [denyAll, disk, { ...disk, allow: false, access: 'm' }], 'r'],
    ['making a node, and nothing with it', [denyAll, { ...disk, access: 'm' }], 'm'],
    ['nothing by a rule that names no right', [denyAll, unsaid], ''],
    ['everything by one that is about all devices', [denyAll, { allow: true }], 'rwm'],
    ['nothing where a denial names no right', [disk, { allow: false, type: 'b' }], ''],
    ['nothing where a denial has an empty text of rights', [disk, { allow: false, access: '' }], ''],
    ['nothing by a rule with an empty text of rights', [denyAll, { ...disk, access: '' }], ''],
    ['no node', [denyAll, { ...disk, access: 'wr' }], 'rw'],
  ])('%s', (_, rules, expected) => {
    expect(blockAccess(numbers, rules)).toBe(expected)
  })
})

describe('rules for the guest', () => {
  test('forbid, allow what was handed over, and keep character devices', () => {
    const handedOver = [{ ...disk, access: 'rwm' }]
    const rules = [denyAll, { ...disk, minor: 0 }, fuse]
    expect(guestDeviceRules({ every: false, rules }, handedOver)).toEqual([denyAll, fuse, ...handedOver])
    expect(guestDeviceRules({ every: false, rules: [] }, [])).toEqual([denyAll])
    expect(guestDeviceRules({ every: false, rules: [{ allow: false }] }, [])).toEqual([denyAll])
    expect(guestDeviceRules({ every: false, rules: [fuse, { access: '' }] }, [])).toEqual([denyAll])
  })
  test('keep the order of what the host allows and denies', () => {
    const denyFuse = { ...fuse, allow: false }
    const denyCharacters = { allow: false, type: 'c', access: 'rwm' }
    const rulesOf = (rules: DeviceRule[]) => guestDeviceRules({ every: false, rules }, [])
    expect(rulesOf([fuse, denyAll])).toEqual([denyAll])
    expect(rulesOf([fuse, { access: 'rwm' }])).toEqual([denyAll])
    expect(rulesOf([fuse, denyFuse])).toEqual([denyAll])
    expect(rulesOf([fuse, denyCharacters])).toEqual([denyAll])
    expect(rulesOf([fuse, denyCharacters, fuse])).toEqual([denyAll, fuse])
  })
  // The guest's crun would let O_RDWR pass by the allowance: a denial of `w` alone is not about it.
  test.each<[string, DeviceRule[], string]>([
    ['of one right', [{ ...fuse, allow: false, access: 'w' }], 'rm'],
    ['of two', [{ ...fuse, allow: false, access: 'mw' }], 'r'],
    ['of each in its turn', [...'rwm'].map((access) => ({ ...fuse, allow: false, access })), ''],
    ['of a major number', [{ allow: false, type: 'c', major: 10, access: 'w' }], 'rm'],
    ['of all character devices', [{ allow: false, type: 'c', access: 'w' }], 'rm'],
    ['of any major number with a minor one', [{ allow: false, type: 'c', minor: 229, access: 'w' }], 'rm'],
    ['of all devices', [{ allow: false, access: 'w' }], 'rm'],
    ['of all devices of a number', [{ ...fuse, type: 'a', allow: false, access: 'w' }], 'rm'],
    ['of another device', [{ ...fuse, allow: false, minor: 224, access: 'w' }], 'rwm'],
  ])('say what a denial %s leaves', (_, denials, access) => {
    const left = access === '' ? [] : [{ ...fuse, access }]
    expect(guestDeviceRules({ every: false, rules: [fuse, ...denials] }, [])).toEqual([denyAll, ...left])
  })
  test('put rights together that are allowed one by one', () => {
    const rules = [...'rw'].map((access) => ({ ...fuse, access }))
    expect(guestDeviceRules({ every: false, rules }, [])).toEqual([denyAll, { ...fuse, access: 'rw' }])
  })
  test('take from one device what its major number has', () => {
    const major = { allow: true, type: 'c', major: 10, access: 'rwm' }
    const rules = [{ ...fuse, allow: false, access: 'w' }, major, { ...fuse, allow: false, access: 'w' }]
    const left = [
      { ...fuse, allow: false },
      { ...fuse, access: 'rm' },
    ]
    expect(guestDeviceRules({ every: false, rules }, [])).toEqual([denyAll, major, ...left])
  })
  test('take from everything a part of the rights to a device', () => {
    const allowAll = { allow: true, access: 'rwm' }
    const rules = [allowAll, { ...fuse, allow: false, access: 'w' }, { ...allowAll, access: 'r' }]
    const left = [
      { ...fuse, allow: false },
      { ...fuse, access: 'rm' },
    ]
    expect(guestDeviceRules({ every: true, rules }, [])).toEqual([allowAll, ...left])
  })
  test('have no number zero, which means all in the guest', () => {
    const zero = { ...fuse, major: 0 }
    expect(guestDeviceRules({ every: false, rules: [zero, fuse] }, [])).toEqual([denyAll, fuse])
    const denial = { ...zero, allow: false }
    const allowAll = { allow: true, access: 'rwm' }
    expect(guestDeviceRules({ every: true, rules: [allowAll, denial] }, [])).toEqual([allowAll])
  })
  test.each([
    ['any number', { allow: true, type: 'c', access: 'rwm' }],
    ['any major number', { ...fuse, major: -1 }],
    ['any kind', { ...fuse, type: 'a' }],
  ])('allow no devices of %s: the guest has others than the host', (_, rule) => {
    expect(guestDeviceRules({ every: false, rules: [rule, fuse] }, [])).toEqual([denyAll, fuse])
  })
  test('take away again from everything what the host takes', () => {
    const allowAll = { allow: true, access: 'rwm' }
    const denyFuse = { ...fuse, allow: false }
    const rules = [denyFuse, allowAll, denyFuse, { ...disk, allow: false }]
    expect(guestDeviceRules({ every: true, rules }, [])).toEqual([allowAll, denyFuse])
  })
  test('allow everything when the host does', () => {
    const rules = [denyAll, { allow: true, access: 'rwm' }]
    expect(guestDeviceRules({ every: true, rules }, [disk])).toEqual([{ allow: true, access: 'rwm' }])
  })
})

describe('a block device of the host', () => {
  const device = { path: '/dev/sdb', type: 'b', major: 8, minor: 16 }
  const facts = { containerId: 'c1', rights: { every: false, rules: [] }, diskRules: [disk], mountRules: [] }
  const shown = (listed: typeof device) =>
    withGuestDevices({ linux: { devices: [listed] } }, facts).linux?.devices
  test('stays in the list where it was handed over', () => {
    expect(shown(device)).toEqual([device])
  })
  test.each([
    ['another minor number', { minor: 17 }],
    ['another major number', { major: 9 }],
    ['another kind', { type: 'c' }],
  ])('is refused by name with %s', (_, other) => {
    const asked = { ...device, ...other }
    expect(() => shown(asked)).toThrow(
      expect.objectContaining({
        code: 'DEVICE_UNSUPPORTED',
        fields: expect.objectContaining({ device: `${asked.type} ${asked.major}:${asked.minor}` }),
      }),
    )
  })
})
