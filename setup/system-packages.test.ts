import { expect, test } from 'bun:test'
import { installedFraction } from './system-packages.ts'

test('the last status line counts; downloading is the first half', () => {
  expect(installedFraction('dlstatus:1:50.0:Retrieving\n')).toBe(0.25)
  expect(installedFraction('dlstatus:7:100:x\npmstatus:gcc:50.0:Unpacking\nSetting up gcc\n')).toBe(0.75)
  expect(installedFraction('Reading package lists...\n')).toBeUndefined()
})
