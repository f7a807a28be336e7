/**
 * The shim's own rights: what the kernel says of a live daemon, on every thread, and what a program with exactly those
 * rights cannot do although it is root. The control is root as it comes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs'
import { readStatus } from '../src/linux/processes/proc.ts'
import { shimFilter } from '../src/rootless/filters/shim-filter.ts'
import { readNamespaces } from '../src/rootless/posture/posture.ts'
import { keptCapabilities } from '../src/rootless/shim-rights.ts'
import { optionalActs } from './attack/attacks.ts'
import { lackingHere, type Results, runAsRoot, Stage } from './attack/stage.ts'
import { executable } from './harness/executable.ts'
import { Kata } from './harness/kata.ts'
import { slow } from './harness/time.ts'

const kata = new Kata()
let pid: number
let daemonPid: number
let stage: Stage
beforeAll(async () => {
  expect((await kata.call(['run', '-d', '--name', 'shim', '--', 'sleep', '600'])).code).toBe(0)
  const { shimPid, virtiofsdPids } = (await kata.inspect('shim')).sandbox
  pid = shimPid
  daemonPid = virtiofsdPids[0]
  stage = await Stage.open()
}, slow(60_000))
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await kata.call(['rm', '-f', 'shim'])
  await kata.close()
}, slow(60_000))

/** chown dac_override fowner fsetid kill setgid setuid setpcap net_admin sys_chroot sys_ptrace sys_admin sys_resource mknod setfcap */
const documented = 0x89_2c_11_fbn

describe('a live shim', () => {
  test('has the documented capabilities and no way to get others, on every thread', () => {
    const tids = readdirSync(`/proc/${pid}/task`)
    expect(tids.length).toBeGreaterThan(1)
    // A thread may end meanwhile.
    const statuses = tids.map((tid) => readStatus(`/proc/${pid}/task/${tid}/status`))
    expect(statuses[0]).toBeDefined()
    for (const status of statuses.filter((status) => status !== undefined)) {
      for (const set of ['CapPrm', 'CapEff', 'CapBnd'])
        expect(BigInt(`0x${status.get(set)}`) & ~documented, set).toBe(0n)
      expect([status.get('CapInh'), status.get('CapAmb')]).toEqual(Array(2).fill('0'.repeat(16)))
      expect(status.get('NoNewPrivs')).toBe('1')
      expect(status.get('Seccomp')).toBe('2')
    }
  })

  test('lives in a mount namespace of its own', () => {
    expect(readNamespaces(`/proc/${pid}`)!.mnt).not.toBe(readNamespaces('/proc/self')!.mnt)
  })

  test('holds no descriptor of whoever started it', () => {
    const targets = readdirSync(`/proc/${pid}/fd`).map((fd): [string, string] => [
      fd,
      readlinkSync(`/proc/${pid}/fd/${fd}`),
    ])
    const own = /^(anon_inode:|socket:|pipe:|\/dev\/(null|urandom)$|\/memfd:)/
    // Its logs, and the files that the client named for the output of the container.
    const log = /\/(shim|console|vmm|output|stdout|stderr)\.log$|\/log$/
    // The user namespace of the share's daemon, by which later mounts are idmapped.
    const known = [realpathSync(executable), readNamespaces(`/proc/${daemonPid}`)!.user]
    expect(targets.filter(([, to]) => !own.test(to) && !log.test(to) && !known.includes(to))).toEqual([])
  })
})

/** `{pid}` is a process of another user, which a shim has to do with: the one in a neighbour's place. */
const acts: readonly [goal: string, act: string, shim: string, root: string][] = [
  ['trace another process', 'seize {pid}', 'ENOSYS', 'ok'],
  ["take another's descriptors", 'pidfd-getfd {pid}', 'ENOSYS', 'ok'],
  ["compare another's descriptors", 'kcmp {pid} {pid} 3 0 0', 'ENOSYS', 'ok'],
  ['load a BPF program', 'bpf 0 buffer 72', 'ENOSYS', 'EINVAL'],
  ['count events', 'count-events', 'ENOSYS', 'ok'],
  ['handle page faults', 'userfaultfd 1', 'ENOSYS', 'ok'],
  ['set up io_uring', 'io_uring_setup 1 buffer', 'ENOSYS', 'ok'],
  ['list keys', 'keyctl 0 -3 1', 'ENOSYS', 'ok'],
  ['add a key', 'add_key user attacker buffer 8 -2', 'ENOSYS', 'ok'],
  ['reboot', 'reboot 0 0 0 0', 'ENOSYS', 'EINVAL'],
  ['add swap', 'swapon /no-such-file 0', 'ENOSYS', 'ENOENT'],
  ['set the clock', 'clock-tick', 'ENOSYS', 'EINVAL'],
  ['account processes', 'acct /no-such-file', 'ENOSYS', 'ENOENT'],
  ['watch files', 'fanotify_init 0 0', 'ENOSYS', 'ok'],
  ['open a file by its handle', 'open-by-handle /usr/bin/env /', 'ENOSYS', 'ok'],
  ['call by the 32-bit entry', 'entry32 20 0', 'SYS', 'ok'],
  ['move the pages of a process', 'move_pages 0 0 0 0 0 -1', 'ENOSYS', 'EINVAL'],
  ['look at segments of its own', 'modify_ldt 0 buffer 8', 'ENOSYS', 'ok'],
  ['type into a terminal', 'ioctl 0 0x5412 buffer', 'EPERM', 'ENOTTY'],
  ['speak of other families of sockets', 'socketpair 16 3 0 buffer', 'EAFNOSUPPORT', 'EOPNOTSUPP'],
  ['capture packets', 'socket 17 3 0x300', 'EPERM', 'ok'],
  ['forge packets', 'socket 2 3 1', 'EPERM', 'ok'],
  ['run before everybody else', 'setpriority 0 0 -10', 'EACCES', 'ok'],
]

const lacking = lackingHere(acts.map(([, act]) => act).filter((act) => optionalActs.includes(act)))

describe('with the rights of a shim, root fails to', () => {
  let shim: Results
  let root: Results
  const fill = (act: string) => act.replaceAll('{pid}', `${stage.neighbourProcess.ref.pid}`)
  beforeAll(() => {
    const commands = acts.map(([, act]) => fill(act))
    const kept = Object.keys(keptCapabilities).map((name) => `+${name}`)
    const filter = `${stage.directory}/filter`
    writeFileSync(filter, shimFilter())
    const capabilities = ['--inh-caps=-all', `--bounding-set=-all,${kept.join(',')}`]
    const rights = ['--no-new-privs', ...capabilities, '--seccomp-filter', filter]
    shim = stage.unjailed(commands, { uid: 0, groups: [] }, rights)
    root = runAsRoot(stage.attacker, commands)
  })
  for (const [goal, act, byShim, byRoot] of acts) {
    const missing = lacking.has(act)
    test.skipIf(missing)(`${goal}${missing ? ' (skipped: this host has nothing of it)' : ''}`, () => {
      expect({ shim: shim.get(fill(act)), root: root.get(fill(act)) }).toEqual({ shim: byShim, root: byRoot })
    })
  }
})
