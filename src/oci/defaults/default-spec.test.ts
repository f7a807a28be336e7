import { expect, test } from 'bun:test'
import { defaultCapabilityGroups } from './capabilities.ts'
import { defaultSeccomp } from './default-seccomp.ts'
import { defaultSpec, type SpecOptions } from './default-spec.ts'
import { everyContainer, withCapabilities } from './seccomp-calls.ts'

const options: SpecOptions = {
  args: ['sh'],
  env: ['A=b'],
  cwd: '',
  user: { uid: 0, gid: 0 },
  terminal: false,
  hostname: 'box',
  readonly: false,
  rootfs: 'rootfs',
  mounts: [],
}

test('root gets the default capabilities, somebody else only the bounding set', () => {
  const root = defaultSpec(options).process.capabilities
  expect(root.effective).toContain('CAP_CHOWN')
  expect(root.effective).not.toContain('CAP_SYS_ADMIN')
  const user = defaultSpec({ ...options, user: { uid: 1000, gid: 100, additionalGids: [5] } }).process
  expect(user.capabilities).toEqual({ bounding: root.bounding, effective: [], permitted: [] })
  expect(user.user).toEqual({ uid: 1000, gid: 100, additionalGids: [5] })
})

test('the environment is completed, never overridden', () => {
  const env = (more: Partial<SpecOptions>) => defaultSpec({ ...options, ...more }).process.env
  expect(env({})).toEqual([expect.stringMatching(/^PATH=/), 'HOSTNAME=box', 'A=b'])
  expect(env({ env: ['PATH=/x', 'HOSTNAME=y', 'TERM=z'], terminal: true })).toEqual([
    'PATH=/x',
    'HOSTNAME=y',
    'TERM=z',
  ])
  expect(env({ terminal: true })).toContain('TERM=xterm')
})

test('limits and binds appear when asked for', () => {
  expect(defaultSpec(options).linux.resources).not.toHaveProperty('memory')
  const mounts = [{ source: '/s', destination: '/d', readonly: true }]
  const spec = defaultSpec({ ...options, mounts, memoryBytes: 4096, cpus: 1.5, pids: 7 })
  expect(spec.linux.resources).toMatchObject({
    memory: { limit: 4096 },
    cpu: { quota: 150_000, period: 100_000 },
    pids: { limit: 7 },
  })
  expect(spec.mounts.at(-1)).toEqual({
    destination: '/d',
    type: 'bind',
    source: '/s',
    options: ['rbind', 'rprivate', 'ro'],
  })
})

test('each group of calls and of capabilities says why it is there', () => {
  const groups = [...everyContainer, ...withCapabilities, ...defaultCapabilityGroups]
  expect(groups.length).toBeGreaterThan(30)
  for (const { because } of groups) expect(because).toMatch(/^[A-Z].{10,}\.$/)
  const named = everyContainer.flatMap(({ calls }) => calls)
  expect(new Set(named).size).toBe(named.length)
})

test('the seccomp profile allows what programs need and nothing that needs CAP_SYS_ADMIN', () => {
  const { syscalls, defaultAction } = defaultSeccomp({ arch: 'x64' })
  const plain = syscalls.find(({ action, args }) => action === 'SCMP_ACT_ALLOW' && args === undefined)!.names
  expect(defaultAction).toBe('SCMP_ACT_ERRNO')
  expect(new Set(plain).size).toBe(plain.length)
  expect(plain).toEqual(expect.arrayContaining(['openat', 'execve', 'futex', 'mmap', 'epoll_pwait2', 'rseq']))
  const dangerous =
    'mount umount2 move_mount open_tree fsopen pivot_root setns unshare bpf perf_event_open init_module ' +
    'finit_module kexec_load reboot swapon keyctl add_key request_key userfaultfd io_uring_setup open_by_handle_at ' +
    'clone clone3 socket personality settimeofday clock_settime iopl ioperm quotactl acct syslog vhangup'
  for (const name of dangerous.split(' ')) expect(plain).not.toContain(name)
})
