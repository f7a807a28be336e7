import { expect, test } from 'bun:test'
import { vcpuThread } from './placement.ts'

test.each(['CPU 0/KVM', 'CPU 11/TCG', 'ALL CPUs/TCG', 'vcpu0', 'fc_vcpu 3'])(
  'the thread %s runs a processor of the guest, whose time is not overhead',
  (name) => expect(name).toMatch(vcpuThread),
)

test.each(['qemu-system-x86', 'IO mon_iothread', 'vmm', 'fc_api', 'firecracker', 'call_rcu'])(
  'the thread %s serves the machine',
  (name) => expect(name).not.toMatch(vcpuThread),
)
