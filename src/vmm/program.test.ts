import { expect, test } from 'bun:test'
import { checkProgram, checkVersion, parseVersion } from './program.ts'

const needs = { name: 'QEMU', install: 'qemu-system-x86', minimum: { major: 8, minor: 0, micro: 0 } }

test.each([
  ['QEMU emulator version 10.0.3 (Debian 1:10.0.3+ds-0+deb13u1)', { major: 10, minor: 0, micro: 3 }],
  ['cloud-hypervisor v48.0\n', { major: 48, minor: 0, micro: 0 }],
  ['cloud-hypervisor v50.0-dirty', { major: 50, minor: 0, micro: 0 }],
  ['Firecracker v1.13.1\n', { major: 1, minor: 13, micro: 1 }],
  ['nothing of the kind', undefined],
])('%p', (text, version) => {
  expect(parseVersion(text)).toEqual(version)
})

test('an old program is refused by name, a new one is not', () => {
  const check = (major: number) => () => checkVersion('/usr/bin/x', { major, minor: 2, micro: 0 }, needs)
  expect(check(7)).toThrow('[VMM_TOO_OLD] /usr/bin/x is QEMU 7.2.0; kata-ts needs 8.0.0 or later')
  expect(check(8)).not.toThrow()
})

test('a missing one is told apart from one that is not executable', () => {
  expect(() => checkProgram('/nonexistent', needs)).toThrow('[VMM_MISSING] the VMM program /nonexistent does')
  expect(() => checkProgram('/etc/passwd', needs)).toThrow('cannot be executed (EACCES)')
})
