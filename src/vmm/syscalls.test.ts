/** What the filter of each VMM's jail lets through beyond the base that every program in a jail has: all of it, with its reason. */
import { describe, expect, test } from 'bun:test'
import { baseSyscalls } from '../rootless/filters/base-syscalls.ts'
import { answersTo, forbiddenCalls } from '../rootless/filters/testing.ts'
import type { SyscallPolicy } from '../rootless/jail/launch-spec.ts'
import { clhSyscalls } from './cloud-hypervisor/syscalls.ts'
import { qemuSyscalls } from './qemu/syscalls.ts'

interface Allowed {
  readonly why: string
  /** System calls of the policy. */
  readonly names: string
  /** Those of the table of forbidden calls that it comes to. */
  readonly forbidden: readonly string[]
}

const aio: Allowed = {
  why: 'it reads and writes disks past the page cache',
  names: 'io_setup io_submit io_getevents io_pgetevents io_destroy',
  forbidden: ['io_setup'],
}
const ofClh: readonly Allowed[] = [
  aio,
  {
    why: 'it binds and removes the socket of vsock itself',
    names: 'unlink unlinkat rename renameat renameat2 mkdir mkdirat chmod fchmod fchmodat truncate getdents',
    forbidden: ['unlink', 'mkdir', 'rename', 'chmod'],
  },
  { why: 'its threads for queues are placed on processors', names: 'sched_setaffinity', forbidden: [] },
  {
    why: 'its double of the tests makes them; its own filters let none but the first thread, which only waits',
    names: 'fork vfork execveat wait4 waitid setsid',
    forbidden: ['fork'],
  },
]

const jails: readonly [vmm: string, policy: SyscallPolicy, more: readonly Allowed[]][] = [
  ['QEMU', qemuSyscalls, [aio]],
  ['Cloud Hypervisor', clhSyscalls, ofClh],
]

/** What a policy's flags allow of calls that depend on their arguments. */
const byFlags: Readonly<Record<string, readonly ['processes' | 'inet', why: string]>> = {
  'clone as a fork': ['processes', 'it makes processes'],
  'an internet socket': ['inet', 'by one it tells a tap its MTU'],
}

describe.each(jails)('the jail of %s', (_vmm, policy, more) => {
  test('lets through what is said here, and nothing else', () => {
    const beyond = policy.allowed.filter((name) => !baseSyscalls.includes(name))
    expect([...beyond].sort() as string[]).toEqual(more.flatMap(({ names }) => names.split(' ')).sort())
    expect([policy.processes ?? false, policy.inet ?? false]).toEqual(
      policy === clhSyscalls ? [true, true] : [false, false],
    )
  })

  for (const forbidden of forbiddenCalls) {
    const { name } = forbidden
    const [flag, ofFlag] = byFlags[name] ?? []
    const why = flag && policy[flag] ? ofFlag : more.find((allowed) => allowed.forbidden.includes(name))?.why
    test(why === undefined ? `has no ${name}` : `has ${name}: ${why}`, () => {
      const { filtered, free } = answersTo(forbidden, policy)
      expect(filtered).toBe(why === undefined ? forbidden.errno : free)
    })
  }
})
