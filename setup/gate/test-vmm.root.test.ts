import { expect, test } from 'bun:test'
import { root } from '../paths.ts'

const real = process.env.KATA_TS_CLOUD_HYPERVISOR ?? Bun.which('cloud-hypervisor')
const reason = real === null ? '' : ` (skipped: there is ${real})`

const run = (...args: string[]) => {
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, 'setup/gate/test-vmm.ts', ...args], {
    cwd: root,
  })
  return { code: exitCode, said: stderr.toString() }
}

test.skipIf(reason !== '')(`the real program, or none: no double in its place${reason}`, () => {
  const { code, said } = run('clh', '--real')
  expect(code).toBe(2)
  expect(said).toContain('there is no real clh here: name it by KATA_TS_CLOUD_HYPERVISOR')
})

test('a VMM that is not known, and a file that is not there, are refused by name', () => {
  expect(run('vmware')).toEqual({ code: 2, said: 'unknown VMM vmware; known are: qemu, clh, firecracker\n' })
  expect(run('qemu', 'no-such-file')).toEqual({
    code: 2,
    said: 'no file of the suite has no-such-file in its path\n',
  })
})
