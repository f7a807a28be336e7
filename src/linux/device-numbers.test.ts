import { expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import { deviceNumbers } from './device-numbers.ts'

test('device numbers are unpacked as the kernel packs them', () => {
  expect(deviceNumbers(statSync('/dev/null').rdev)).toEqual({ major: 1, minor: 3 })
  // makedev(259, 300) and makedev(4095, 1048575): the minor's upper bits lie above the major.
  expect(deviceNumbers(0x11032c)).toEqual({ major: 259, minor: 300 })
  expect(deviceNumbers(0xffffffff)).toEqual({ major: 4095, minor: 1048575 })
})
