/** What of a launch description becomes of a jail's mounts and Landlock rules, and which descriptions are refused. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { nodeFs, overlayFs, planJail } from './jail-plan.ts'
import { jailTool } from './jail-tools.ts'
import type { JailPath, LaunchSpec } from './launch-spec.ts'

let base: string
beforeAll(() => {
  base = mkdtempSync(`${realpathSync(tmpdir())}/jail-plan-`)
  mkdirSync(`${base}/directory`)
  writeFileSync(`${base}/file`, '')
})
afterAll(() => rmSync(base, { recursive: true }))

const specOf = (more: Partial<LaunchSpec>): LaunchSpec => ({
  program: '/usr/bin/sleep',
  args: [],
  paths: [],
  fds: [],
  output: 1,
  stateDir: base,
  identity: { name: 'kata-0', uid: 70_000, gid: 70_000, groups: [] },
  syscalls: { allowed: [] },
  ...more,
})
const planOf = (more: Partial<LaunchSpec>) => planJail(specOf(more))

describe('a path', () => {
  test.each<[JailPath['access'], string, string[], string[]]>([
    ['read', 'file', ['nodev', 'noexec', 'nosuid', 'ro'], ['read-file']],
    ['read', 'directory', ['nodev', 'noexec', 'nosuid', 'ro'], ['read-file', 'read-dir']],
    ['execute', 'file', ['nodev', 'nosuid', 'ro'], ['read-file', 'execute']],
    ['read-write', 'file', ['nodev', 'noexec', 'nosuid'], ['read-file', 'write-file', 'truncate']],
    [
      'read-write',
      'directory',
      ['nodev', 'noexec', 'nosuid'],
      [...['read-file', 'write-file', 'truncate'], ...['read-dir', 'remove-file', 'make-reg', 'make-sock']],
    ],
  ])('to %s of a %s gets no more than that', (access, kind, flags, accesses) => {
    const { mounts, rules } = planOf({ paths: [{ source: `${base}/${kind}`, target: '/data', access }] })
    expect(mounts.find(({ target }) => target === '/data')).toEqual({
      source: `${base}/${kind}`,
      target: '/data',
      directory: kind === 'directory',
      flags,
    })
    expect(rules.filter(({ path }) => path === '/data')).toEqual([{ path: '/data', accesses }])
  })

  test('to a device node may be one, and nothing else may', () => {
    const { mounts } = planOf({ paths: [{ source: '/dev/null', target: '/dev/null', access: 'read-write' }] })
    const withDevices = mounts.filter(({ flags }) => !flags.includes('nodev'))
    expect(withDevices.map(({ target }) => target)).toEqual(['/dev/null'])
  })
})

describe('a tree', () => {
  const flags = ['nodev', 'noexec', 'nosuid', 'ro']
  const of = (...layers: string[]) => planOf({ tree: { target: '/tree/merged', layers } })
  const treeIn = ({ mounts }: ReturnType<typeof planOf>) =>
    mounts.filter(({ target }) => /^\/(tree|layer)/.test(target))

  test('of one layer is a bind of it, of several an overlay, and neither can be written', () => {
    const [one, two] = [`${base}/directory`, base]
    const mount = { target: '/tree/merged', directory: true, flags }
    expect(treeIn(of(one))).toEqual([{ ...mount, source: one }])
    expect(treeIn(of(one, two))).toEqual([{ ...mount, source: overlayFs, layers: [one, two] }])
    expect(of(one).rules.filter(({ path }) => path.startsWith('/tree'))).toEqual([
      { path: '/tree', accesses: ['read-file', 'read-dir'] },
    ])
  })

  test('of a file system that asks who comes is an overlay, which root mounts', () => {
    const layers = [`${base}/directory`]
    const plan = planJail(specOf({ tree: { target: '/tree/merged', layers } }), (path) => path === layers[0])
    expect(treeIn(plan)).toEqual([
      { target: '/layer', directory: true, flags, source: layers[0]! },
      { target: '/tree/merged', directory: true, flags, source: overlayFs, layers: [] },
    ])
  })

  test('with a layer that is not there is refused', () => {
    expect(() => of(base, `${base}/absent`)).toThrow(/^\[JAIL_SPEC_INVALID\].*absent cannot be opened/)
  })
})

test('only the program and its loader may be executed, and nothing of the system’s be written', () => {
  const { program, mounts, rules } = planOf({})
  const executed = rules.filter(({ accesses }) => accesses.includes('execute')).map(({ path }) => path)
  expect(executed).toEqual([program, realpathSync('/lib64/ld-linux-x86-64.so.2')])
  for (const { accesses } of rules)
    expect(['execute', 'read-file', 'read-dir']).toEqual(expect.arrayContaining([...accesses]))
  for (const { flags } of mounts) expect(flags).toEqual(expect.arrayContaining(['nosuid', 'ro']))
})

test('a directory for nodes takes none that its program makes', () => {
  const { mounts, rules } = planOf({ nodeDirs: ['/disks'] })
  expect(mounts.at(-1)).toEqual({
    source: nodeFs,
    target: '/disks',
    directory: true,
    flags: ['noexec', 'nosuid'],
  })
  expect(rules.at(-1)).toEqual({ path: '/disks', accesses: ['read-file', 'write-file'] })
})

test('a tool that the host does not have is told with the packages that bring them', () => {
  expect(() => jailTool('no-such-tool')).toThrow(
    /^\[JAIL_TOOL_MISSING\] no-such-tool was not found in .*Install the packages util-linux, dash, bash and coreutils/,
  )
  expect(jailTool('setpriv')).toBe('/usr/bin/setpriv')
})

test('a program that is no file, or a script, is refused by its name', () => {
  writeFileSync(`${base}/script`, '#!/bin/sh\n')
  for (const [program, reason] of [
    ['script', 'is a script, and its interpreter is not in the jail'],
    ['directory', 'is not a file'],
  ] as const)
    expect(() => planOf({ program: `${base}/${program}` })).toThrow(
      `the jail of ${base}/${program} cannot be built: ${base}/${program} ${reason}`,
    )
})

test('group 0 is never handed over', () => {
  const identity = { name: 'kata-0', uid: 70_000, gid: 70_000 }
  expect(() => planOf({ identity: { ...identity, groups: [993, 0] } })).toThrow(
    /^\[JAIL_SPEC_INVALID\].*group 0 is never handed over/,
  )
  planOf({ identity: { ...identity, groups: [993] } })
})

describe('a target', () => {
  const to = (...targets: string[]) =>
    planOf({ paths: targets.map((target) => ({ source: `${base}/file`, target, access: 'read' })) })

  test.each(['data', '/a/../b', '/a//b', '/a/', '/a\0b', '/', ''])(
    '%j is no plain absolute path',
    (target) => {
      expect(() => to(target)).toThrow(/^\[JAIL_SPEC_INVALID\].*is not a plain absolute path/)
    },
  )

  test.each(['/old', '/old/x', '/proc', '/proc/self', '/lib', '/lib/x', '/lib64', '/filter'])(
    '%s is a place of the jail’s own',
    (target) => {
      expect(() => to(target)).toThrow(/^\[JAIL_SPEC_INVALID\].*is a place of the jail's own/)
    },
  )

  test('lies neither in nor over another', () => {
    to('/data/a', '/data/b', '/data-c')
    for (const targets of [['/data', '/data'], ['/data', '/data/a'], ['/data/a', '/data'], ['/usr/bin/env']])
      expect(() => to(...targets)).toThrow(/^\[JAIL_SPEC_INVALID\].*lies in or over/)
  })
})
