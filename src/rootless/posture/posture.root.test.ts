import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { closeSync, existsSync, mkdtempSync, openSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { socketPair } from '../../linux/sockets/socket.ts'
import { silentLogger } from '../../log.ts'
import { baseSyscalls } from '../filters/base-syscalls.ts'
import { launch } from '../jail/jail.ts'
import type { LaunchedProcess, LaunchSpec } from '../jail/launch-spec.ts'
import { type NamespaceKind, type Posture, readPosture, type ThreadPosture } from './posture.ts'
import {
  assertPosture,
  comparePosture,
  type ExpectedPosture,
  expectedPosture,
  ownNamespaces,
  settledPosture,
} from './posture-check.ts'

const uid = 0x6f000000 + 2 * 65536 - 1
let stateDir: string
let output: number
let given: number
let spec: LaunchSpec
let sleeper: LaunchedProcess
let expected: ExpectedPosture
let actual: Posture

beforeAll(async () => {
  stateDir = mkdtempSync(`${tmpdir()}/posture-`)
  output = openSync(`${stateDir}/output`, 'a')
  given = openSync('/etc/hostname', 'r')
  spec = {
    program: '/usr/bin/sleep',
    args: ['1000'],
    identity: { name: 'kata-1', uid, gid: uid, groups: [993] },
    paths: [{ source: stateDir, target: '/data with space', access: 'read-write' }],
    fds: [given],
    syscalls: { allowed: baseSyscalls },
    output,
    stateDir,
    landlock: 'best-effort',
  }
  sleeper = await launch(spec, silentLogger)
  expected = expectedPosture(spec, { seccompFilters: 1 })
  // On a busy machine its loader may still be at work.
  actual = await settledPosture(sleeper.ref.pid, expected)
})
afterAll(async () => {
  process.kill(sleeper.ref.pid, 'SIGKILL')
  await sleeper.exited
  closeSync(output)
  closeSync(given)
  rmSync(stateDir, { recursive: true })
})

const withThread = (change: Partial<ThreadPosture>): Posture => ({
  ...actual,
  threads: [...actual.threads, { ...actual.threads[0]!, tid: 7, ...change }],
})
const fields = (posture: Posture) => comparePosture(expected, posture).map(({ field, tid }) => [field, tid])

describe('posture', () => {
  test('of a jailed process is the expected one, and is plain data', () => {
    expect(assertPosture(sleeper.ref.pid, expected)).toEqual(actual)
    expect(JSON.parse(JSON.stringify({ expected, actual }))).toEqual({ expected, actual })
    expect(actual.mounts.map(({ point }) => point)).toEqual([
      ...['/', '/data with space', '/usr/bin/bash', '/usr/bin/env'],
      ...['/usr/bin/setpriv', '/usr/bin/sleep', '/usr/bin/unshare'],
      dirname(realpathSync('/lib64/ld-linux-x86-64.so.2')),
    ])
    expect(actual.threads[0]).toMatchObject({
      uid: [uid, uid, uid, uid],
      groups: [993],
      noNewPrivs: 1,
      seccomp: 2,
    })
  })

  test('of an ordinary process differs in every field', () => {
    const found = new Set(comparePosture(expected, readPosture(process.pid)).map(({ field }) => field))
    for (const field of [
      'uid',
      'gid',
      'CapEff',
      'CapBnd',
      'noNewPrivs',
      'seccomp',
      'seccompFilters',
      'mounts',
    ])
      expect(found).toContain(field)
    for (const field of [
      'namespaces.mnt',
      'namespaces.ipc',
      'namespaces.uts',
      'namespaces.net',
      'environment',
      'cwd',
    ])
      expect(found).toContain(field)
  })

  type Row = [string, () => Posture, string, number | undefined]
  const groups = (ids: number[]) => () => withThread({ groups: ids })
  test.each<Row>([
    ['saved uid', () => withThread({ uid: [uid, uid, 0, uid] }), 'uid', 7],
    ['file system gid', () => withThread({ gid: [uid, uid, uid, 0] }), 'gid', 7],
    ['one group more', groups([993, 4]), 'groups', 7],
    ['no group', groups([]), 'groups', 7],
    ['a capability', () => withThread({ capabilities: caps('CapAmb', '0000000000000001') }), 'CapAmb', 7],
    ...['CapInh', 'CapPrm', 'CapEff', 'CapBnd'].map((set): Row => {
      const capabilities = () => withThread({ capabilities: caps(set, '0000000000000001') })
      return [`a capability in ${set}`, capabilities, set, 7]
    }),
    ['privileges to gain', () => withThread({ noNewPrivs: 0 }), 'noNewPrivs', 7],
    ['no filter', () => withThread({ seccomp: 0 }), 'seccomp', 7],
    ['a filter less', () => withThread({ seccompFilters: 0 }), 'seccompFilters', 7],
    ["the host's network", () => withThread(ofHost('net')), 'namespaces.net', 7],
    ...(['mnt', 'ipc', 'uts', 'pid'] as const).map((kind): Row => {
      return [`the host's ${kind} namespace`, () => withThread(ofHost(kind)), `namespaces.${kind}`, 7]
    }),
    ...(['user', 'cgroup'] as const).map((kind): Row => {
      const own = () => withThread(namespace(kind, `${kind}:[1]`))
      return [`an own ${kind} namespace`, own, `namespaces.${kind}`, 7]
    }),
    ['another map of users', () => idMaps({ uid: '0 0 1' }), 'idMaps.uid', undefined],
    ['another map of groups', () => idMaps({ gid: '0 0 1' }), 'idMaps.gid', undefined],
    [
      'a mount more',
      () => ({ ...actual, mounts: [...actual.mounts, { point: '/etc', flags: [] }] }),
      'mounts',
      undefined,
    ],
    [
      'a writable root',
      () => ({ ...actual, mounts: actual.mounts.map((m) => ({ ...m, flags: [] })) }),
      'mounts',
      undefined,
    ],
    ['a leaked file', () => descriptor(9, '/etc/shadow'), 'descriptors.9', undefined],
    ['a leaked socket', () => descriptor(9, 'socket:[1]'), 'sockets', undefined],
    ['a ring of system calls', () => descriptor(9, 'anon_inode:[io_uring]'), 'descriptors.9', undefined],
    ['a handle of a process', () => descriptor(9, 'anon_inode:[pidfd]'), 'descriptors.9', undefined],
    ['faults in its hands', () => descriptor(9, 'anon_inode:[userfaultfd]'), 'descriptors.9', undefined],
    ['a program in the kernel', () => descriptor(9, 'anon_inode:bpf-prog'), 'descriptors.9', undefined],
    ['another file in place', () => descriptor(3, '/etc/shadow'), 'descriptors.3', undefined],
    ['an environment', () => ({ ...actual, environment: 5 }), 'environment', undefined],
    [
      'core files',
      () => ({ ...actual, limits: { ...actual.limits, core: '0:unlimited' } }),
      'limits.core',
      undefined,
    ],
    ...(['nofile', 'nproc'] as const).map((name): Row => {
      const limits = () => ({ ...actual, limits: { ...actual.limits, [name]: '1024:unlimited' } })
      return [`another limit of ${name}`, limits, `limits.${name}`, undefined]
    }),
    ['another directory', () => ({ ...actual, cwd: '/usr' }), 'cwd', undefined],
    ['kept at the cost of others', () => ({ ...actual, oomScoreAdj: -1 }), 'oomScoreAdj', undefined],
    ['an interface', () => ({ ...actual, interfaces: ['eth0', 'lo'] }), 'interfaces', undefined],
  ])('%s is found, and only that', (_, change, field, tid) => {
    expect(fields(change())).toEqual([[field, tid]])
  })

  test('tunnels that the kernel puts into each network namespace are not what the process was given', () => {
    const tunnels = 'erspan0 gre0 gretap0 ip6_vti0 ip6gre0 ip6tnl0 ip_vti0 sit0 tunl0'.split(' ')
    expect(fields({ ...actual, interfaces: [...tunnels, 'lo'].sort() })).toEqual([])
    expect(fields({ ...actual, interfaces: ['lo', 'tunl0', 'tunl1'] })).toEqual([['interfaces', undefined]])
    expect(fields({ ...actual, interfaces: tunnels })).toEqual([['interfaces', undefined]])
    const ofPod = { ...expected, interfaces: ['eth0', 'lo', 'tunl0'] }
    for (const interfaces of [ofPod.interfaces, ['eth0', 'lo']])
      expect(comparePosture(ofPod, { ...actual, interfaces })).toEqual([])
  })

  test('locked memory is compared where it was limited', () => {
    const limited = { ...expected, limits: { ...expected.limits, memlock: '4096:4096' } }
    const memlock = (value: string) => ({ ...actual, limits: { ...actual.limits, memlock: value } })
    const differing = (posture: Posture) => comparePosture(limited, posture).map(({ field }) => field)
    expect(differing(memlock('4096:4096'))).toEqual([])
    expect(differing(memlock('4096:unlimited'))).toEqual(['limits.memlock'])
  })

  test('threads beside the first may have to have more filters, and inherited ones are none of their own', () => {
    const may = { ...expected, firstThreadFilters: 1, seccompFilters: 2, inheritedFilters: 1 }
    const [first] = actual.threads
    const differing = (ofFirst: number, ofOther: number) =>
      comparePosture(may, {
        ...actual,
        threads: [
          { ...first!, seccompFilters: ofFirst },
          { ...first!, tid: 7, seccompFilters: ofOther },
        ],
      }).map(({ tid, expected: wanted }) => [tid, wanted])
    expect(differing(2, 3)).toEqual([])
    expect(differing(2, 2)).toEqual([[7, 'at least 3']])
    expect(differing(1, 3)).toEqual([[first!.tid, 'at least 2']])
  })

  test('mounts that come and go are passed over only below those that are named', () => {
    const may = { ...expected, mountsBelow: true }
    const more = { ...actual, mounts: [...actual.mounts, { point: '/data with space/a', flags: [] }] }
    const without = { ...actual, mounts: actual.mounts.filter(({ point }) => point !== '/usr/bin/env') }
    expect(comparePosture(may, more)).toEqual([])
    expect(comparePosture(may, without).map(({ field }) => field)).toEqual(['mounts'])
  })

  test('cores of its own are those of all its threads', () => {
    const differing = (cores: Posture['cores']) =>
      comparePosture({ ...expected, cores: 'own' }, { ...actual, cores }).map((row) => row.actual)
    expect((['own', 'no-smt'] as const).flatMap(differing)).toEqual([])
    expect((['shared', 'mixed', 'unknown'] as const).flatMap(differing)).toEqual([
      ...['shared', 'mixed', 'unknown'],
    ])
  })

  test('is read of every thread', () => {
    expect(readPosture(process.pid).threads.length).toBeGreaterThan(1)
  })

  test('what it may open by name, or by how its name begins, is no difference', () => {
    const may = { ...expected, files: ['anon_inode:[eventfd]'], opens: ['anon_inode:kvm-vcpu:'] }
    const differing = (target: string) => comparePosture(may, descriptor(9, target)).length
    expect(differing('anon_inode:[eventfd]')).toBe(0)
    expect(differing('anon_inode:kvm-vcpu:17')).toBe(0)
    expect(differing('anon_inode:[eventfd]2')).toBe(1)
    expect(differing('anon_inode:[eventpoll]')).toBe(1)
  })

  test('sockets are counted, up and down, and are unix sockets', () => {
    const one = descriptor(9, 'socket:[1]')
    const rows = (fewestSockets: number, sockets: number, posture = one) =>
      comparePosture({ ...expected, fewestSockets, sockets }, posture).map((row) => row.expected)
    expect(rows(0, 1)).toEqual([])
    expect(rows(1, 1)).toEqual([])
    expect(rows(0, 0)).toEqual(['0'])
    expect(rows(2, 3)).toEqual(['at least 2'])
    expect(rows(3, 3)).toEqual(['3'])
    const other = { ...one, otherSockets: ['socket:[1]'] }
    expect(rows(0, 1, other)).toEqual(['a unix socket'])
    expect(comparePosture({ ...expected, sockets: 1, anySockets: true }, other)).toEqual([])
    // One that was handed over is not counted.
    expect(comparePosture({ ...expected, handedOver: { disk: ['socket:[1]'] } }, one)).toEqual([])
  })

  test('a filter of whoever starts it is one more that it has to have', () => {
    const program = `
      const { setFilter } = await import('${import.meta.dir}/../../linux/processes/seccomp.ts')
      const { shimFilter } = await import('${import.meta.dir}/../filters/shim-filter.ts')
      const { expectedPosture } = await import('${import.meta.dir}/posture-check.ts')
      const spec = ${JSON.stringify({ ...spec, fds: [], output: 1 })}
      const inherited = () => expectedPosture(spec, { seccompFilters: 1 }).inheritedFilters
      const before = inherited()
      setFilter(shimFilter())
      console.log(inherited() - before)
    `
    const { stdout, stderr } = Bun.spawnSync([
      'setpriv',
      '--no-new-privs',
      '--',
      process.execPath,
      '-e',
      program,
    ])
    expect([stdout.toString(), stderr.toString()]).toEqual(['1\n', ''])
  })

  test('tells the family of a socket', () => {
    const before = readPosture(process.pid).otherSockets
    const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    const [one, other] = socketPair()
    try {
      const { descriptors, otherSockets } = readPosture(process.pid)
      const unix = [one, other].map((fd) => descriptors[fd])
      for (const socket of unix) {
        expect(socket).toMatch(/^socket:/)
        expect(otherSockets).not.toContain(socket!)
      }
      // Some of an earlier test may be closed only now.
      expect(otherSockets.filter((socket) => !before.includes(socket))).toHaveLength(1)
    } finally {
      listener.stop(true)
      for (const fd of [one, other]) closeSync(fd)
    }
  })

  test('a difference is an error that lists field, thread and both values', () => {
    const other = { ...expected, uid: 1, cwd: '/' as const }
    expect(() => assertPosture(sleeper.ref.pid, other)).toThrow(
      new RegExp(
        `POSTURE_DIFFERS.*uid of thread ${sleeper.ref.pid} is "${uid}( ${uid}){3}", expected "1 1 1 1"`,
      ),
    )
  })

  test('a process that settles is taken, one that stays different is not', async () => {
    // Its own descriptor in the place of a loader's: closed once it was looked at, or never.
    const loaded = `${stateDir}/loaded`
    const script = 'exec 9</etc/passwd; until [ -e "$0" ]; do sleep 0.02; done; exec 9<&-; sleep 30'
    for (const settles of [false, true]) {
      const child = Bun.spawn(['sh', '-c', script, loaded], { env: {}, cwd: '/' })
      try {
        while (!existsSync(`/proc/${child.pid}/fd/9`)) await Bun.sleep(1)
        const now = readPosture(child.pid)
        const { 9: _, ...descriptors } = now.descriptors
        const thread = now.threads[0]!
        const asItIs: ExpectedPosture = {
          ...expected,
          uid: thread.uid[0]!,
          gid: thread.gid[0]!,
          groups: thread.groups.toSorted(),
          capabilities: thread.capabilities,
          noNewPrivs: thread.noNewPrivs as 1,
          seccompFilters: 0,
          firstThreadFilters: 0,
          seccomp: thread.seccomp as 2,
          idMap: now.idMaps.uid,
          namespaces: ownNamespaces([]),
          mounts: now.mounts,
          descriptors,
          opens: [],
          sockets: 99,
          limits: now.limits,
          oomScoreAdj: now.oomScoreAdj,
          interfaces: now.interfaces,
        }
        const patience = { settleMs: 50, loaderMs: settles ? 15_000 : 200 }
        const settled = settledPosture(child.pid, asItIs, readPosture, patience)
        if (settles) writeFileSync(loaded, '')
        if (settles) expect((await settled).descriptors).toEqual(descriptors)
        else
          await expect(settled).rejects.toThrow(/: descriptors\.9 is "\/etc\/passwd", expected "closed"\. /)
      } finally {
        child.kill()
        await child.exited
      }
    }
  })

  test('what a look saw is what counts: a loader has nothing open between two libraries', async () => {
    const loading = { ...actual, descriptors: { ...actual.descriptors, 3: '/usr/lib/libc.so.6' } }
    const looks = [loading, actual, loading]
    expect(await settledPosture(sleeper.ref.pid, expected, () => looks.shift()!)).toEqual(actual)
    expect(looks).toEqual([loading])
  })

  test('a process that lives and may not be looked at is none that is gone', () => {
    // It has a capability that the reader lacks.
    const other = Bun.spawn(['sleep', '1000'])
    const program = `
      const { readPosture } = await import('${import.meta.dir}/posture.ts')
      try { readPosture(${other.pid}) } catch (error) { console.log(error.message) }
    `
    const lesser = ['setpriv', '--bounding-set=-sys_ptrace', '--inh-caps=-all', '--', process.execPath, '-e']
    const { stdout } = Bun.spawnSync([...lesser, program])
    other.kill()
    expect(stdout.toString()).toContain(
      `[POSTURE_DIFFERS] process ${other.pid} is not confined as asked: it cannot`,
    )
  })

  test('a process that is gone is an error of its own', () => {
    expect(() => readPosture(2 ** 22 - 1)).toThrow('PROCESS_GONE')
  })
})

const caps = (set: string, mask: string) => ({ ...actual.threads[0]!.capabilities, [set]: mask })
const descriptor = (fd: number, target: string): Posture => ({
  ...actual,
  descriptors: { ...actual.descriptors, [fd]: target },
})
const namespace = (kind: NamespaceKind, id: string): Pick<ThreadPosture, 'namespaces'> => ({
  namespaces: { ...actual.threads[0]!.namespaces, [kind]: id },
})
const ofHost = (kind: NamespaceKind) => namespace(kind, expected.hostNamespaces[kind])
const idMaps = (changed: Partial<Posture['idMaps']>): Posture => ({
  ...actual,
  idMaps: { ...actual.idMaps, ...changed },
})
