import { expect, test } from 'bun:test'
import type { Config } from '../../../config/config.ts'
import { guestParameters } from './guest-parameters.ts'

const of = (hypervisor: object, enableDebug = false) =>
  guestParameters({
    hypervisor: { kernel: '', initrd: '', image: '', enableDebug, kernelParams: ['mine=1'], ...hypervisor },
    agent: { enableDebug },
  } as unknown as Config)

test('our guest is told what is configured, and no more', () => {
  expect(of({})).toEqual(['mine=1'])
  expect(of({}, true)).toEqual(['loglevel=7', 'agent.log=debug', 'mine=1'])
})

test('a guest of the user’s gets what Kata’s runtime tells it, and the configuration has the last word', () => {
  const parameters = of({ initrd: '/i', kernelParams: ['systemd.unified_cgroup_hierarchy=0'] })
  expect(parameters).toContain('systemd.unified_cgroup_hierarchy=1')
  expect(parameters).toContain('cgroup_no_v1=all')
  expect(parameters.at(-1)).toBe('systemd.unified_cgroup_hierarchy=0')
})
