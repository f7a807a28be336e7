import { expect, test } from 'bun:test'
import { statSync } from 'node:fs'
import type { HypervisorConfig } from '../../config/config.ts'
import { readFacts } from '../records/facts.ts'
import { HostDouble } from './doubles/host.double.ts'
import { recordFacts, type StartedSandbox } from './record.ts'

const daemon = (pids: number[], idmap?: { first: number }) => ({
  processes: pids.map((pid) => ({ pid })),
  idmap,
})
const share = {
  first: { tag: 'a', guestPath: '/a', daemon: daemon([8, 9], { first: 70_000 }) },
  volumes: { tag: 'b', guestPath: '/b', daemon: daemon([10, 11], { first: 70_000 }) },
}

/** The facts of a sandbox with these differences, as `inspect` reads them. */
function recorded(changes: Partial<StartedSandbox> = {}, hypervisor: Partial<HypervisorConfig> = {}) {
  using double = new HostDouble()
  const { id, namespace, config } = double.request(hypervisor)
  const path = `${double.directory}/sandbox.json`
  recordFacts(path, {
    id,
    namespace,
    config,
    shim: { pid: 1, startTime: '1' },
    vmmProcess: { pid: 2, startTime: '1' },
    assets: { kernel: '/kernel', initrd: '/initrd' },
    template: 'abc',
    accelerator: { accelerator: 'kvm', reason: 'a guest booted' },
    plan: { vcpus: 2, memoryMiB: 512 },
    user: {
      identity: { name: 'kata-7', uid: 7, gid: 7, groups: [108] },
      privateDir: '/run/user/7',
      ids: { first: 70_000, count: 65_535 },
    },
    share: share as unknown as NonNullable<StartedSandbox['share']>,
    walls: [],
    agentFacts: {
      name: 'kata-ts',
      version: '1.0.0',
      seccomp: true,
      usesStreamBuffer: true,
      watchesVolumes: true,
      memoryBlockMiB: 128,
    },
    timings: [{ step: 'assets', at: 0, ms: 1.5 }],
    ...changes,
  })
  return { facts: readFacts(path), mode: statSync(path).mode & 0o777 }
}

test('what is written down is what inspect reads, and root’s alone', () => {
  const { facts, mode } = recorded({}, { rootlessAccount: 'useradd' })
  expect(mode).toBe(0o600)
  expect(facts).toMatchObject({
    id: 'pod',
    namespace: 'test',
    shimPid: 1,
    vmmPid: 2,
    vcpus: 2,
    memoryMiB: 512,
    virtiofsdPids: [8, 9, 10, 11],
    virtiofsdUid: 70_000,
    user: 'kata-7',
    uid: 7,
    gid: 7,
    groups: [108],
    account: 'useradd',
    privateDir: '/run/user/7',
    kernel: '/kernel',
    initrd: '/initrd',
    template: 'abc',
    agent: { name: 'kata-ts', version: '1.0.0' },
    accelerator: 'kvm',
    acceleratorReason: 'a guest booted',
    openWalls: [],
    timings: [{ step: 'assets', at: 0, ms: 1.5 }],
  })
})

test('without a share there is no daemon; without a throw-away user the account is root', () => {
  const { facts } = recorded({ share: undefined, assets: { kernel: '/kernel' } }, { rootless: false })
  expect(facts).toMatchObject({
    virtiofsdPids: [],
    virtiofsdUid: 0,
    account: 'root',
    rootless: false,
    initrd: '',
  })
})
