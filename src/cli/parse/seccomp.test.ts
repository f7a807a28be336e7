import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readSeccompProfile, resolveProfile } from './seccomp.ts'

const rule = (names: string[], more: object = {}) => ({ names, action: 'SCMP_ACT_ALLOW', ...more })

test('rules that hold for other machines or capabilities are left out', () => {
  const { syscalls, architectures, defaultErrnoRet } = resolveProfile(
    {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
      syscalls: [
        rule(['read']),
        rule(['mount'], { includes: { caps: ['CAP_SYS_ADMIN'] } }),
        rule(['chown'], { includes: { caps: ['CAP_CHOWN'] } }),
        rule(['clone'], { excludes: { caps: ['CAP_SYS_ADMIN'] } }),
        rule(['s390_pci'], { includes: { arches: ['s390x'] } }),
        { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
      ],
    },
    ['CAP_CHOWN'],
  )
  expect(syscalls.flatMap(({ names }) => names)).toEqual(['read', 'chown', 'clone', 'clone3'])
  expect(syscalls[0]).toEqual({ names: ['read'], action: 'SCMP_ACT_ALLOW' })
  expect(syscalls.at(-1)?.errnoRet).toBe(38)
  expect(defaultErrnoRet).toBe(38)
  if (process.arch === 'x64') expect(architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'])
})

test('an exclusion holds by architecture and by kernel, too', () => {
  const machine = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const { syscalls } = resolveProfile(
    {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        rule(['of-here'], { excludes: { arches: [machine] } }),
        rule(['of-others'], { excludes: { arches: ['s390x'] } }),
        rule(['of-old-kernels'], { excludes: { minKernel: '4.8' } }),
        rule(['of-the-capable'], { excludes: { caps: ['CAP_CHOWN'] } }),
      ],
    },
    ['CAP_CHOWN'],
  )
  expect(syscalls.flatMap(({ names }) => names)).toEqual(['of-others'])
})

test('a rule keeps its conditions on arguments: without them it would allow more', () => {
  const args = [{ index: 0, value: 8, op: 'SCMP_CMP_EQ' }]
  const profile = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [rule(['personality'], { args })] }
  expect(resolveProfile(profile as Parameters<typeof resolveProfile>[0], []).syscalls).toMatchObject([
    { names: ['personality'], args },
  ])
})

test('an empty list of architectures is none, as for docker', () => {
  const archMap = [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }]
  const profile = { defaultAction: 'SCMP_ACT_ERRNO', archMap }
  expect(resolveProfile({ ...profile, architectures: [] }, [])).toEqual(resolveProfile(profile, []))
  const named = resolveProfile({ ...profile, architectures: ['SCMP_ARCH_X32'] }, [])
  expect(named.architectures).toEqual(['SCMP_ARCH_X32'])
})

test('a profile in docker’s form is read from its file, comments and empty lists of arguments included', () => {
  const dir = mkdtempSync('/tmp/seccomp-')
  try {
    const file = {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW', args: null, comment: 'x', includes: {} }],
    }
    writeFileSync(`${dir}/p.json`, JSON.stringify(file))
    expect(readSeccompProfile(`${dir}/p.json`, []).syscalls).toEqual([
      { names: ['read'], action: 'SCMP_ACT_ALLOW' },
    ])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

const conditional = (minKernel: string) =>
  JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [rule(['ptrace'], { includes: { minKernel } })],
  })

test('a rule for kernels that every guest has is taken', () => {
  const { syscalls } = resolveProfile(JSON.parse(conditional('4.8')), [])
  expect(syscalls.flatMap(({ names }) => names)).toEqual(['ptrace'])
})

test('what is no profile is told with the file', () => {
  const dir = mkdtempSync('/tmp/seccomp-')
  try {
    for (const [text, reason] of [
      ['not json', 'JSON'],
      ['{"defaultAction":"SCMP_ACT_NOTIFY"}', 'SCMP_ACT_NOTIFY'],
      ['{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_LOG"]}', 'SECCOMP_FILTER_FLAG_LOG'],
      ['{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/run/a.sock"}', 'listenerPath'],
      [conditional('99.0'), 'minKernel 99.0'],
      [conditional('5.11'), 'minKernel 5.11'],
      [conditional('new'), 'minKernel new'],
      ['{}', 'defaultAction: expected a string, is missing'],
      ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', 'syscalls: expected a list, is an object'],
    ] as const) {
      writeFileSync(`${dir}/p.json`, text)
      expect(() => readSeccompProfile(`${dir}/p.json`, [])).toThrow(
        new RegExp(`^\\[SECCOMP_PROFILE\\] seccomp profile ${dir}/p.json .*${reason}`),
      )
    }
    expect(() => readSeccompProfile(`${dir}/none`, [])).toThrow('ENOENT')
  } finally {
    rmSync(dir, { recursive: true })
  }
})
