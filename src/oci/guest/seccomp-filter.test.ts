/** What the kernel does under a compiled profile; a child of perl's makes the calls. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { defaultSeccomp } from '../defaults/default-seccomp.ts'
import type { OciSeccomp } from '../seccomp.ts'
import { compileSeccomp } from './seccomp-filter.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/profile-`)
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Errno of a system call, 0 when it succeeded. */
function call(text: string, profile?: OciSeccomp): number {
  if (profile !== undefined) writeFileSync(`${directory}/filter`, compileSeccomp(profile)!)
  const code = `$b = "\\0" x 4096; $r = syscall(${text}); print $r == -1 ? 0+$! : 0`
  const setpriv = profile === undefined ? [] : ['/usr/bin/setpriv', '--seccomp-filter', `${directory}/filter`]
  const { exitCode, stdout } = Bun.spawnSync([...setpriv, '/usr/bin/perl', '-e', code])
  expect(exitCode).toBe(0)
  return Number(stdout.toString())
}

const allowed: OciSeccomp = {
  defaultAction: 'SCMP_ACT_ALLOW',
  architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
}
const personality = (persona: number) => `135, ${persona}`
const without = (...syscalls: NonNullable<OciSeccomp['syscalls']>): OciSeccomp => ({ ...allowed, syscalls })
const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97]

test('a call gets the errno of its rule, or EPERM', () => {
  const names = ['getppid']
  expect(call('110')).toBe(0)
  expect(call('110', without({ names, action: 'SCMP_ACT_ERRNO' }))).toBe(EPERM)
  expect(call('110', without({ names, action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS }))).toBe(ENOSYS)
  // Only its lower 16 bits count: 0x7ffa0000 more would be SCMP_ACT_ALLOW.
  const errnoRet = 0x7ffa0000 + ENOSYS
  expect(call('110', without({ names, action: 'SCMP_ACT_ERRNO', errnoRet }))).toBe(ENOSYS)
  expect(call('102', without({ names, action: 'SCMP_ACT_ERRNO' }))).toBe(0)
})

test('an unknown call is left out where nothing is lost by that', () => {
  const [pass, deny] = ['SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO']
  const denied = { names: ['getppid', 'no_such_call'], action: deny, errnoRet: ENOSYS }
  const denying: OciSeccomp = {
    defaultAction: deny,
    syscalls: [denied, { names: ['no_such_call'], action: pass }],
  }
  expect(compileSeccomp(denying)).toBeDefined()
  expect(call('110', without({ names: ['no_such_call'], action: 'SCMP_ACT_LOG' }))).toBe(0)
})

test.each([
  ['SCMP_CMP_EQ', 8, undefined, 8, 0],
  ['SCMP_CMP_NE', 8, undefined, 0, 8],
  ['SCMP_CMP_GE', 8, undefined, 9, 0],
  ['SCMP_CMP_GT', 8, undefined, 9, 8],
  ['SCMP_CMP_LT', 8, undefined, 0, 8],
  ['SCMP_CMP_LE', 8, undefined, 8, 0x20000],
  ['SCMP_CMP_MASKED_EQ', 0x20000, 0x20000, 0x20008, 8],
])('%s %i %p is so of %i, and not of %i', (op, value, valueTwo, hit, missed) => {
  const args = [{ index: 0, op, value, ...(valueTwo !== undefined && { valueTwo }) }]
  const profile = without({ names: ['personality'], action: 'SCMP_ACT_ERRNO', args })
  expect([call(personality(hit)), call(personality(missed))]).toEqual([0, 0])
  expect([call(personality(hit), profile), call(personality(missed), profile)]).toEqual([EPERM, 0])
})

test('several conditions for one argument are alternatives, for several arguments all must hold', () => {
  const is = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' })
  const alternatives = without({
    names: ['personality'],
    action: 'SCMP_ACT_ERRNO',
    args: [is(0, 8), is(0, 9)],
  })
  expect([8, 9, 10].map((persona) => call(personality(persona), alternatives))).toEqual([EPERM, EPERM, 0])
  // getpriority(which, who)
  const both = without({ names: ['getpriority'], action: 'SCMP_ACT_ERRNO', args: [is(0, 0), is(1, 0)] })
  expect(['140, 0, 0', '140, 0, 1'].map((text) => call(text, both))).toEqual([EPERM, 0])
})

test.each([
  ['SCMP_ACT_KILL', 'SIGSYS'],
  ['SCMP_ACT_KILL_THREAD', 'SIGSYS'],
  ['SCMP_ACT_KILL_PROCESS', 'SIGSYS'],
  ['SCMP_ACT_TRAP', 'SIGSYS'],
  ['SCMP_ACT_LOG', undefined],
])('%s of a call ends its program by %s', (action, signal) => {
  const profile = without({ names: ['getppid'], action })
  writeFileSync(`${directory}/filter`, compileSeccomp(profile)!)
  const perl = ['/usr/bin/perl', '-e', 'syscall(110)']
  const { signalCode } = Bun.spawnSync([
    '/usr/bin/setpriv',
    '--seccomp-filter',
    `${directory}/filter`,
    ...perl,
  ])
  expect(signalCode).toBe(signal as never)
})

test('the default profile lets a program run and refuses what it does not name', () => {
  expect(call('39', defaultSeccomp())).toBe(0)
  // add_key and userfaultfd
  expect(call('323, 1')).toBe(0)
  expect(call('323, 1', defaultSeccomp())).toBe(EPERM)
})

test.each([
  ['AF_UNIX', 1, 0],
  ['AF_INET', 2, 0],
  ['AF_NETLINK', 16, 0],
  ['AF_ALG', 38, EPERM],
  ['AF_VSOCK', 40, EPERM],
  // The kernel takes the lower half of the register.
  ['AF_ALG, and more in the upper half', 38 + 2 ** 32, EPERM],
  ['AF_VSOCK, and more in the upper half', 40 + 2 ** 32, EPERM],
  ['AF_INET, and more in the upper half', 2 + 2 ** 32, 0],
  ['a family that does not exist yet', 63, EAFNOSUPPORT],
])('the default profile: a socket of %s', (_, family, errno) => {
  expect(call(`41, ${family}, ${family === 16 ? 3 : 1}, 0`, defaultSeccomp())).toBe(errno)
})

test.each<[string, OciSeccomp]>([
  ['flags', { ...allowed, flags: ['SECCOMP_FILTER_FLAG_LOG'] }],
  ['a listener', without({ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' })],
  [
    'a denied call that this libseccomp does not know',
    without({ names: ['no_such_call'], action: 'SCMP_ACT_ERRNO' }),
  ],
  [
    'the same in a profile that logs the others',
    {
      defaultAction: 'SCMP_ACT_LOG',
      syscalls: [{ names: ['mkdir', 'no_such_call'], action: 'SCMP_ACT_KILL' }],
    },
  ],
  ['an unknown action', { defaultAction: 'SCMP_ACT_DREAM' }],
  ['an action of a name that all objects have', { defaultAction: 'constructor' }],
  ['an unknown architecture', { ...allowed, architectures: ['SCMP_ARCH_TAPE'] }],
  [
    'an unknown comparison',
    without({ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, op: 'x', value: 1 }] }),
  ],
])('%s: left to crun', (_, profile) => {
  expect(compileSeccomp(profile)).toBeUndefined()
})
