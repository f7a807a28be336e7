import { expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import { deviceNumbers } from './device-numbers.ts'

test('numbers as the C library packs them', () => {
  expect(deviceNumbers(statSync('/dev/null').rdev)).toEqual({ major: 1, minor: 3 })
  expect(deviceNumbers(statSync('/dev/urandom').rdev)).toEqual({ major: 1, minor: 9 })
  // 259:1048575 and 10:300: minors of more than eight bits lie above the major's.
  expect(deviceNumbers(0xfff103ff)).toEqual({ major: 0x103, minor: 0xfffff })
  expect(deviceNumbers(0x100a2c)).toEqual({ major: 10, minor: 300 })
})
