/** What is ours is found whatever kind it is, and what is others' is not: real things, planted one by one. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { cgroupHierarchies } from '../../../src/linux/cgroups/cgroup.ts'
import { mount, unmount } from '../../../src/linux/mounts/mount.ts'
import { ownDirectory } from '../directories.ts'
import { eventually, Kata } from '../kata.ts'
import { slow } from '../time.ts'
import { type HostState, hostState, leftBehind } from './host.ts'

/** An id of our range that no sandbox gets: they count from the other end. */
const ourId = 0x7fff_0000
const foreignId = 4711

let runDir: string
let foreignDir: string
let before: HostState
beforeAll(() => {
  runDir = ownDirectory('/run/kt-')
  foreignDir = ownDirectory('/var/tmp/somebodys-')
})
beforeEach(() => {
  before = hostState(runDir)
})
afterAll(() => {
  rmSync(runDir, { recursive: true })
  rmSync(foreignDir, { recursive: true })
})

const found = () => leftBehind(before, hostState(runDir))

function must(...argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv)
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
}

/** What plants it, and what takes it away again. */
type Planted = () => () => unknown

const file =
  (path: string, content = ''): Planted =>
  () => {
    if (existsSync(path)) throw new Error(`${path} is there already`)
    writeFileSync(path, content)
    return () => rmSync(path)
  }
const directory =
  (path: () => string): Planted =>
  () => {
    mkdirSync(path(), { recursive: true })
    return () => rmdirSync(path())
  }
/** A directory with those above it, which go with it if they were not there. */
const nested =
  (path: () => string): Planted =>
  () => {
    const outermost = mkdirSync(path(), { recursive: true })
    if (outermost === undefined) throw new Error(`${path()} is there already`)
    return () => rmSync(outermost, { recursive: true })
  }
/** A link to a directory that is not there any more. */
const nameOfGone =
  (namespace: string): Planted =>
  () => {
    mkdirSync(namespace)
    symlinkSync('../pool/gone', `${namespace}/left`)
    return () => rmSync(namespace, { recursive: true })
  }
/** A table of the packet filter. */
const table =
  (name: string): Planted =>
  () => {
    must('nft', 'add', 'table', 'inet', name)
    return () => must('nft', 'delete', 'table', 'inet', name)
  }
const account =
  (name: string, id: number): Planted =>
  () => {
    must('useradd', '--uid', `${id}`, '--no-create-home', '--user-group', '--no-log-init', name)
    return () => must('userdel', name)
  }
const running =
  (argv: () => readonly string[], cwd: () => string = () => '/'): Planted =>
  () => {
    const child = Bun.spawn([...argv()], { cwd: cwd(), stdio: ['ignore', 'ignore', 'inherit'] })
    return async () => {
      child.kill('SIGKILL')
      await child.exited
    }
  }
const owned =
  (path: string, id: number): Planted =>
  () => {
    writeFileSync(path, '')
    chownSync(path, id, id)
    return () => rmSync(path)
  }
const tmpfs =
  (point: () => string): Planted =>
  () => {
    mkdirSync(point())
    mount({ source: 'tmpfs', target: point(), type: 'tmpfs' })
    return () => {
      unmount(point())
      rmdirSync(point())
    }
  }
const link =
  (name: string): Planted =>
  () => {
    must('ip', 'link', 'add', name, 'type', 'bridge')
    return () => must('ip', 'link', 'del', name)
  }
/** A port of a bridge that another test made. */
const port =
  (bridge: string): Planted =>
  () => {
    must('ip', 'link', 'add', bridge, 'type', 'bridge')
    before = hostState(runDir)
    must('ip', 'link', 'add', 'someport', 'type', 'veth', 'peer', 'name', 'somepeer')
    must('ip', 'link', 'set', 'someport', 'master', bridge)
    return () => {
      must('ip', 'link', 'del', 'someport')
      must('ip', 'link', 'del', bridge)
    }
  }
/** A process that maps ids into a user namespace, as those do that hold one for a share. */
const mapping =
  (first: number): Planted =>
  () => {
    const child = Bun.spawn(['unshare', '--user', 'sleep', '600'])
    while (readlinkSync(`/proc/${child.pid}/ns/user`) === readlinkSync('/proc/self/ns/user')) Bun.sleepSync(5)
    writeFileSync(`/proc/${child.pid}/uid_map`, `0 ${first} 1`)
    return async () => {
      child.kill('SIGKILL')
      await child.exited
    }
  }
const cgroup = (path: string): Planted => directory(() => `${cgroupHierarchies()[0]!.point}${path}`)
/** A process that is in a cgroup and in nothing else of a sandbox. */
const inCgroup =
  (path: string): Planted =>
  () => {
    const { point } = cgroupHierarchies()[0]!
    mkdirSync(`${point}${path}`, { recursive: true })
    const child = Bun.spawn(['sleep', '600'])
    writeFileSync(`${point}${path}/cgroup.procs`, `${child.pid}`)
    before = { ...before, ours: { ...before.ours, cgroups: hostState(runDir).ours.cgroups! } }
    return async () => {
      child.kill('SIGKILL')
      await child.exited
      await eventually('an empty cgroup', () => {
        try {
          rmdirSync(`${point}${path}`)
          return true
        } catch {
          return undefined
        }
      })
    }
  }
const setpriv = (id: number) => () => [
  'setpriv',
  `--reuid=${id}`,
  `--regid=${id}`,
  '--clear-groups',
  'sleep',
  '600',
]
const naming = (text: () => string) => () => ['sh', '-c', 'setpriv --pdeathsig KILL sleep 600; :', text()]
/** A pid that nobody has. */
const nobodysPid = '4194303\0'

type Kind = [kind: string, what: string, ours: Planted, foreign: Planted]
const kinds: readonly Kind[] = [
  ['accounts', 'a user', account('kata-65000', ourId), account('somebody0', foreignId)],
  ['accounts', 'an id', account('somebody0', ourId), account('somebody0', foreignId)],
  [
    'accountLocks',
    'a lock',
    file('/etc/subgid.lock', nobodysPid),
    file('/etc/subgid.lock', `${process.pid}\0`),
  ],
  [
    'privateDirectories',
    'a directory',
    directory(() => `/run/user/${ourId}`),
    directory(() => `/run/user/${foreignId}`),
  ],
  ['userdb', 'a record', file('/run/userdb/kata-65000.user'), file('/run/userdb/somebody0.user')],
  ['processes', 'a user', running(setpriv(ourId)), running(setpriv(foreignId))],
  ['processes', 'an argument', running(naming(() => runDir)), running(naming(() => foreignDir))],
  [
    'processes',
    'a working directory',
    running(
      () => ['sleep', '600'],
      () => runDir,
    ),
    running(
      () => ['sleep', '600'],
      () => foreignDir,
    ),
  ],
  [
    'processes',
    'an open file',
    running(() => ['sh', '-c', `exec sleep 600 3<${'$'}0`, runDir]),
    running(() => ['sh', '-c', `exec sleep 600 3<${'$'}0`, foreignDir]),
  ],
  ['processes', 'mapped ids', mapping(ourId), mapping(foreignId)],
  ['processes', 'a cgroup', inCgroup('/somebodys/kata_planted'), inCgroup('/somebodys/container')],
  [
    'namespaces',
    'a namespace of a process',
    running(() => ['unshare', '--net', 'setpriv', `--reuid=${ourId}`, 'sleep', '600']),
    running(() => ['unshare', '--net', 'sleep', '600']),
  ],
  ['mounts', 'a mount', tmpfs(() => `${runDir}/m`), tmpfs(() => `${foreignDir}/m`)],
  ['runDirectory', 'a file', () => file(`${runDir}/left`)(), () => file(`${foreignDir}/left`)()],
  ...['default/left', 'k8s.io/left', 'moby/left', 'pool/left', 'vm/left', 'elsewhere/left'].map(
    (path): Kind => [
      'runDirectory',
      `a directory as ${path}`,
      nested(() => `${runDir}/${path}`),
      nested(() => `${foreignDir}/${path}`),
    ],
  ),
  [
    'runDirectory',
    'a name of a machine that waited',
    () => nameOfGone(`${runDir}/k8s.io`)(),
    () => nameOfGone(`${foreignDir}/k8s.io`)(),
  ],
  ['shimSockets', 'a socket', nested(() => `${runDir}/s/left`), nested(() => `${foreignDir}/s/left`)],
  [
    'disks',
    'a disk',
    nested(() => `/var/lib/kata-ts/disks/planted/left`),
    nested(() => `/var/lib/kata-ts/planted/disks/left`),
  ],
  ['shares', 'a share', nested(() => '/run/kata-ts/share/left'), nested(() => '/run/somebodys/share/left')],
  [
    'hugePages',
    'a promise',
    nested(() => '/run/kata-ts/huge-pages/left'),
    nested(() => '/run/somebodys/huge-pages/left'),
  ],
  ['hostRules', 'a table', table('kata-ts-planted'), table('somebodys-planted')],
  ['cgroups', 'a cgroup', cgroup('/kata_planted'), cgroup('/somebodys')],
  ['links', 'a tap', link('tap7_kata'), link('tap7_some')],
  ['links', 'a port of a bridge', port('ktbr0'), port('somebr0')],
  ['sharedMemory', 'a file', owned('/dev/shm/planted', ourId), owned('/dev/shm/planted', foreignId)],
]

const writable = cgroupHierarchies().length > 0

describe.each(kinds)('%s: %s', (kind, what, ours, foreign) => {
  const lacking =
    what === 'a cgroup' && !writable
      ? 'no cgroup file system is mounted'
      : kind === 'hostRules' && Bun.which('nft') === null
        ? 'there is no nft'
        : ''
  const reason = lacking === '' ? '' : ` (skipped: ${lacking})`
  test.skipIf(lacking !== '')(`of ours is found${reason}`, async () => {
    mkdirSync('/run/userdb', { recursive: true })
    const remove = ours()
    try {
      await eventually(kind, () => found().some((line) => line.startsWith(`${kind}: `)) || undefined)
    } finally {
      await remove()
    }
    await eventually('nothing', () => found().length === 0 || undefined)
  })

  test.skipIf(lacking !== '')(`of somebody else’s is not${reason}`, async () => {
    const remove = foreign()
    try {
      await Bun.sleep(300)
      expect(found()).toEqual([])
    } finally {
      await remove()
    }
  })
})

test('what outlives sandboxes by design is not found', () => {
  const directories = ['s', 'share', 'uids', 'huge-pages', 'pool', 'vm', 'default', 'k8s.io', 'moby']
  const files = ['swept', 'accelerator.json']
  for (const name of directories) mkdirSync(`${runDir}/${name}`)
  for (const name of files) writeFileSync(`${runDir}/${name}`, '')
  try {
    expect(found()).toEqual([])
  } finally {
    for (const name of [...directories, ...files]) rmSync(`${runDir}/${name}`, { recursive: true })
  }
})

test('an account of somebody else’s that is torn is found; one that is removed is not', () => {
  must('useradd', '--no-create-home', '--user-group', '--no-log-init', 'somebody0')
  try {
    before = hostState(runDir)
    must('sed', '-i', '/^somebody0:/d', '/etc/shadow')
    expect(found()).toEqual(['lost account: shadow:somebody0'])
  } finally {
    must('userdel', 'somebody0')
  }
  expect(found()).toEqual([])
})

test(
  'a running sandbox is found in every way, and its end is',
  async () => {
    const kata = new Kata()
    expect((await kata.run(['true'])).code).toBe(0)
    const unused = hostState(kata.runDir)
    expect((await kata.call(['run', '-d', '--name', 'seen', '--', 'sleep', '600'])).code).toBe(0)
    const seen = leftBehind(unused, hostState(kata.runDir))
    const { sandbox } = await kata.inspect('seen')
    for (const pid of [sandbox.shimPid, sandbox.vmmPid, ...sandbox.virtiofsdPids])
      expect(seen).toContainEqual(expect.stringContaining(`processes: ${pid} `))
    const found = new Set(seen.map((line) => line.slice(0, line.indexOf(':'))))
    for (const kind of [
      'accounts',
      'privateDirectories',
      'reservations',
      'shimSockets',
      'runDirectory',
      'namespaces',
    ])
      expect(found).toContain(kind)
    expect((await kata.call(['rm', '-f', 'seen'])).code).toBe(0)
    expect(leftBehind(unused, hostState(kata.runDir))).toEqual([])
    await kata.close()
  },
  slow(60_000),
)
