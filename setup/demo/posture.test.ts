import { expect, test } from 'bun:test'
import { whyNoGroup } from './posture.ts'

const withKvm = 'flags\t\t: fpu vmx sse\n'

test('only a host that can use KVM is sent to check --fix-kvm', () => {
  expect(whyNoGroup({ gid: 0 }, withKvm)).toContain('check --fix-kvm')
  expect(whyNoGroup({ gid: 0 }, 'flags\t\t: fpu sse\n')).toBe(
    ' (this processor has no use for that of /dev/kvm)',
  )
  expect(whyNoGroup(undefined, withKvm)).toContain('no /dev/kvm')
  expect(whyNoGroup({ gid: 993 }, withKvm)).toBe('')
})
