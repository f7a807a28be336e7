import { expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { unoccupied, vcpuThread } from './placement.ts'

test('cgroups that another sandbox of the same name is in are left to it', () => {
  const point = mkdtempSync(`${tmpdir()}/kata-ts-cgroups-`)
  const paths = { sandbox: '/vc/kata_web', overhead: '/kata_overhead/web' }
  const inside = (pids: string) => {
    mkdirSync(`${point}/kata_overhead/web`, { recursive: true })
    writeFileSync(`${point}/kata_overhead/web/cgroup.procs`, pids)
    return unoccupied(paths, [{ point }])
  }
  try {
    expect(unoccupied(paths, [{ point }])).toEqual(paths)
    expect(inside(`${process.pid}\n`)).toEqual(paths)
    // Of a dead sandbox: its ledger names them, and its release ends all that is in them.
    expect(inside('').sandbox).toMatch(/^\/vc\/kata_web\.[0-9a-f]{8}$/)
    const other = inside('4711\n')
    expect(other.sandbox).toMatch(/^\/vc\/kata_web\.[0-9a-f]{8}$/)
    expect(other.overhead).toBe(other.sandbox.replace('/vc/kata_', '/kata_overhead/'))
  } finally {
    rmSync(point, { recursive: true })
  }
})

test('an empty cgroup that its client has made below a parent of its own is for this sandbox', () => {
  const point = mkdtempSync(`${tmpdir()}/kata-ts-cgroups-`)
  const paths = { sandbox: '/kubepods/pod1/kata_web', overhead: '/kata_overhead/web' }
  try {
    mkdirSync(`${point}${paths.sandbox}`, { recursive: true })
    writeFileSync(`${point}${paths.sandbox}/cgroup.procs`, '')
    expect(unoccupied(paths, [{ point }])).toEqual(paths)
    writeFileSync(`${point}${paths.sandbox}/cgroup.procs`, '4711\n')
    expect(unoccupied(paths, [{ point }]).sandbox).toMatch(/^\/kubepods\/pod1\/kata_web\.[0-9a-f]{8}$/)
  } finally {
    rmSync(point, { recursive: true })
  }
})

test.each(['CPU 0/KVM', 'CPU 11/TCG', 'ALL CPUs/TCG', 'vcpu0', 'fc_vcpu 3'])(
  'the thread %s runs a processor of the guest, whose time is not overhead',
  (name) => expect(name).toMatch(vcpuThread),
)

test.each(['qemu-system-x86', 'IO mon_iothread', 'vmm', 'fc_api', 'firecracker', 'call_rcu'])(
  'the thread %s serves the machine',
  (name) => expect(name).not.toMatch(vcpuThread),
)
