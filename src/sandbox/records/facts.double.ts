/** Facts of a sandbox for tests that only read them. */
import type { SandboxFacts } from './facts.ts'

export function someFacts(changes: Partial<SandboxFacts> = {}): SandboxFacts {
  return {
    id: 'c',
    namespace: 'default',
    shimPid: 1,
    vmmPid: 2,
    virtiofsdPids: [3, 4],
    virtiofsdUid: 5,
    rootless: true,
    user: 'kata-1',
    uid: 6,
    gid: 7,
    groups: [8],
    account: 'useradd',
    privateDir: '/run/user/6',
    vmm: 'qemu',
    accelerator: 'tcg',
    acceleratorReason: 'no KVM',
    openWalls: [{ wall: 'kvm', what: 'w', remedy: 'r', quiet: false }],
    kernel: '/k',
    initrd: '/i',
    template: '',
    agent: { name: 'kata-ts', version: '0.1.0' },
    vcpus: 1,
    memoryMiB: 256,
    timings: [{ step: 'boot', at: 0.1, ms: 2.5 }],
    ...changes,
  }
}
