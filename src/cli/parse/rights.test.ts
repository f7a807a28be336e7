import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { defaultSpec } from '../../oci/defaults/default-spec.ts'
import { withRights } from '../../oci/defaults/spec-rights.ts'
import { parseRights, type RightsFlags } from './rights.ts'

const plain = (uid = 0) =>
  defaultSpec({
    args: ['true'],
    env: [],
    cwd: '/',
    user: { uid, gid: 0 },
    terminal: false,
    hostname: 'h',
    readonly: false,
    rootfs: 'rootfs',
    mounts: [],
  })
const spec = (flags: RightsFlags, uid = 0) => withRights(plain(uid), parseRights(flags))
const capabilities = (flags: RightsFlags) => spec(flags).process.capabilities.bounding
const mountOf = (flags: RightsFlags, destination: string) =>
  spec(flags).mounts.find((mount) => mount.destination === destination)

test('without options the spec stays as it is', () => {
  const { linux, ...rest } = spec({})
  const { linux: before, ...same } = plain()
  expect(rest).toEqual(same)
  expect(linux.maskedPaths).toEqual(before.maskedPaths)
  expect(linux.resources).toEqual(before.resources)
  expect(linux.seccomp?.defaultAction).toBe('SCMP_ACT_ERRNO')
})

test('capabilities: added, dropped, all', () => {
  const usual = plain().process.capabilities.bounding
  expect(capabilities({ capAdd: ['net_admin', 'CAP_CHOWN'] })).toEqual([...usual, 'CAP_NET_ADMIN'])
  expect(capabilities({ capDrop: ['CHOWN'] })).toEqual(usual.filter((name) => name !== 'CAP_CHOWN'))
  expect(capabilities({ capDrop: ['all'], capAdd: ['KILL'] })).toEqual(['CAP_KILL'])
  expect(capabilities({ capAdd: ['ALL'], capDrop: ['SYS_ADMIN'] })).toHaveLength(40)
  expect(spec({ capAdd: ['NET_ADMIN'] }, 1000).process.capabilities).toMatchObject({
    effective: [],
    permitted: [],
  })
})

test('the default seccomp profile allows what an added capability is for, and nothing more', () => {
  const allows = (flags: RightsFlags, name: string) =>
    spec(flags).linux.seccomp!.syscalls.some(
      ({ names, action, args }) => names.includes(name) && action === 'SCMP_ACT_ALLOW' && args === undefined,
    )
  expect(allows({}, 'mount')).toBe(false)
  expect(allows({ capAdd: ['SYS_ADMIN'] }, 'mount')).toBe(true)
  expect(allows({ capAdd: ['SYS_TIME'] }, 'mount')).toBe(false)
  expect(allows({ capAdd: ['SYS_TIME'] }, 'clock_settime')).toBe(true)
  expect(spec({ securityOpt: ['seccomp=unconfined'] }).linux.seccomp).toBeUndefined()
  // The last one counts, as with every option that is given twice.
  expect(() => spec({ securityOpt: ['seccomp=unconfined', 'seccomp=/no/such'] })).toThrow('[SECCOMP_PROFILE]')
})

test('privileged: everything of the guest', () => {
  expect(() => parseRights({ privileged: true, capDrop: ['CHOWN'] })).toThrow('[OPTION_CONFLICT]')
  const { process, linux } = spec({ privileged: true })
  expect(process.capabilities.bounding).toHaveLength(41)
  expect(linux).toMatchObject({ maskedPaths: [], readonlyPaths: [] })
  expect(linux).not.toHaveProperty('seccomp')
  expect(linux.resources.devices).toEqual([{ allow: true, access: 'rwm' }])
  expect(mountOf({ privileged: true }, '/sys')?.options).not.toContain('ro')
  expect(mountOf({}, '/sys')?.options).toContain('ro')
})

test('privileged: a disk is named in the rules as asked for, and one that is to be read stays so', () => {
  const disk = { what: 'block', major: 8, minor: 16, destination: '/dev/xvdb', readonly: true } as const
  const given = defaultSpec({
    args: ['true'],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    terminal: false,
    hostname: 'h',
    readonly: false,
    rootfs: 'rootfs',
    mounts: [],
    devices: [disk],
  })
  expect(withRights(given, parseRights({ privileged: true })).linux.resources.devices).toEqual([
    { allow: true, access: 'rwm' },
    { allow: true, type: 'b', major: 8, minor: 16, access: 'rwm' },
    { allow: false, type: 'b', major: 8, minor: 16, access: 'w' },
  ])
})

test('what is mounted in a directory comes after it, whichever option brought it', () => {
  const mount = (destination: string) => ({ source: '/srv', destination, readonly: false })
  const given = defaultSpec({
    args: ['true'],
    env: [],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    terminal: false,
    hostname: 'h',
    readonly: false,
    rootfs: 'rootfs',
    mounts: [mount('/run/secrets'), mount('/a/b/c'), mount('/a')],
  })
  const { mounts } = withRights(given, parseRights({ tmpfs: ['/run', '/a/b'] }))
  expect(mounts.slice(-5).map(({ destination }) => destination)).toEqual([
    ...['/a', '/run', '/run/secrets', '/a/b', '/a/b/c'],
  ])
  expect(mounts[0]?.destination).toBe('/proc')
})

test('a profile of a file holds for the capabilities that are left', () => {
  const dir = mkdtempSync('/tmp/rights-')
  try {
    const rule = { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } }
    writeFileSync(`${dir}/p.json`, JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [rule] }))
    const names = (flags: RightsFlags) => {
      const { seccomp } = parseRights({ ...flags, securityOpt: [`seccomp=${dir}/p.json`] })
      return typeof seccomp === 'object' ? seccomp.syscalls.flatMap(({ names }) => names) : []
    }
    expect(names({ capAdd: ['ALL'] })).toEqual(['mount'])
    expect(names({ capAdd: ['ALL'], capDrop: ['SYS_ADMIN'] })).toEqual([])
    expect(names({})).toEqual([])
  } finally {
    rmSync(dir, { recursive: true })
  }
})

/** With docker everybody listens on any port of a container, and pings. */
const docker: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
}

test('limits, kernel parameters, memory-backed directories, shared memory, no new privileges', () => {
  expect(spec({ ulimit: ['nofile=10:20', 'core=-1'] }).process.rlimits).toEqual([
    { type: 'RLIMIT_NOFILE', soft: 10, hard: 20 },
    { type: 'RLIMIT_CORE', soft: 2 ** 64, hard: 2 ** 64 },
  ])
  expect(spec({ sysctl: ['net.core.somaxconn=5', 'kernel.sem=1 2 3 4'] }).linux.sysctl).toEqual({
    'net.core.somaxconn': '5',
    'kernel.sem': '1 2 3 4',
    ...docker,
  })
  expect(spec({ sysctl: ['net.ipv4.ip_unprivileged_port_start=1024'] }).linux.sysctl).toEqual({
    ...docker,
    'net.ipv4.ip_unprivileged_port_start': '1024',
  })
  expect(mountOf({ tmpfs: ['/big:size=64M,mode=01777'] }, '/big')?.options).toContain('size=64M')
  expect(mountOf({ tmpfs: ['/cache/:size=1m,exec'] }, '/cache')?.options).toEqual([
    ...['nosuid', 'nodev', 'noexec', 'size=1m', 'exec'],
  ])
  expect(mountOf({ shmSize: '1m' }, '/dev/shm')?.options).toContain('size=1048576')
  expect(mountOf({ shmSize: '0' }, '/dev/shm')).toEqual(mountOf({}, '/dev/shm'))
})

test.each([
  [['no-new-privileges'], true],
  [['no-new-privileges:true'], true],
  [['no-new-privileges=true'], true],
  [['no-new-privileges:false'], false],
  [['no-new-privileges', 'no-new-privileges=false'], false],
])('%j is as with docker', (securityOpt, noNewPrivileges) => {
  expect(spec({ securityOpt }).process.noNewPrivileges).toBe(noNewPrivileges)
})

test.each<[RightsFlags, string]>([
  [{ capAdd: ['FLY'] }, '--cap-add'],
  [{ capDrop: [''] }, '--cap-drop'],
  [{ securityOpt: ['apparmor=x'] }, '--security-opt'],
  [{ securityOpt: ['no-new-privileges=yes'] }, '--security-opt'],
  [{ sysctl: ['novalue'] }, '--sysctl'],
  [{ sysctl: ['a b=1'] }, '--sysctl'],
  [{ ulimit: ['nofile'] }, '--ulimit'],
  [{ ulimit: ['nofile=2:1'] }, '--ulimit'],
  [{ ulimit: ['files=1'] }, '--ulimit'],
  [{ ulimit: ['nofile=-1'] }, '--ulimit'],
  [{ ulimit: ['core=99999999999999999999999'] }, '--ulimit'],
  [{ ulimit: ['nofile=1024:unlimited'] }, '--ulimit'],
  [{ ulimit: ['nofile=99999999999999999999999'] }, '--ulimit'],
  [{ tmpfs: ['relative'] }, '--tmpfs'],
  [{ tmpfs: ['/'] }, '--tmpfs'],
  [{ tmpfs: ['/dev/:exec'] }, '--tmpfs'],
  [{ tmpfs: ['/x:bind'] }, '--tmpfs'],
  [{ tmpfs: ['/x:size=1m,uid=root'] }, '--tmpfs'],
  [{ shmSize: '0.1' }, '--shm-size'],
])('%j is refused and the option named', (flags, option) => {
  expect(() => parseRights(flags)).toThrow(new RegExp(`^\\[OPTION_INVALID\\].*${option}`))
})
