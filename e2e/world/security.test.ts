/** What a container may do: users, capabilities, seccomp, sysctls, limits, devices, and how far `privileged` goes. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { chmodSync, rmSync } from 'node:fs'
import { unmountBelow } from '../../src/linux/mounts/mount.ts'
import { ownDirectory } from '../harness/directories.ts'
import { hostState } from '../harness/host/host.ts'
import { expectNothingLeft } from '../harness/host/nothing-left.ts'
import { scratch } from '../harness/kata.ts'
import { slow } from '../harness/time.ts'
import { bind, buildProbe, Pod, type SpecWish } from './pod.ts'

setDefaultTimeout(slow(60_000))

const area = scratch()
const runDir = ownDirectory('/run/kt-')
let before: ReturnType<typeof hostState>
let pod: Pod
let count = 0

beforeAll(async () => {
  before = hostState(runDir)
  buildProbe(`${area.path}/probe`)
  chmodSync(`${area.path}/probe`, 0o4755)
  pod = await Pod.start({
    id: 'security',
    dir: `${area.path}/p`,
    runDir,
    // Where CRI puts the sysctls of a pod: into the spec of its sandbox.
    sandbox: { linux: { sysctl: { 'net.core.somaxconn': '77', 'kernel.shmmax': '1234567' } } },
  })
})

afterAll(async () => {
  await pod?.stop()
  unmountBelow(area.path)
  rmSync(runDir, { recursive: true })
  area[Symbol.dispose]()
  await expectNothingLeft(before, runDir)
})

const run = (script: string, wish: SpecWish = {}) => pod.run(`c${++count}`, script, wish)
const capabilities = (...names: string[]) => ({
  capabilities: { bounding: names, effective: names, permitted: names, inheritable: [], ambient: [] },
})
const everyCapability = Array.from({ length: 41 }, (_, bit) => bit)
const allCapabilities = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`)

/** What busybox needs for its mkdir, but for the call itself. */
const allowedForMkdir =
  'read write open openat close fstat stat lstat newfstatat mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn ' +
  'ioctl access execve exit exit_group arch_prctl set_tid_address set_robust_list rseq prlimit64 getrandom getuid geteuid ' +
  'getgid getegid getpid getppid clone vfork fork wait4 umask fcntl getcwd chdir readlink poll futex uname prctl setgroups ' +
  'setuid setgid capset capget fchdir dup2 dup3 pipe2 gettid tgkill setsid close_range'

describe('who a process is', () => {
  test('runAsUser, runAsGroup and supplemental groups, for an exec too', async () => {
    const user = { uid: 1234, gid: 2345, additionalGids: [2345, 3456, 4567] }
    await pod.add('user', { process: { user } })
    for (const { stdout } of [await pod.exec('user', 'id -u; id -g; id -G')])
      expect(stdout).toBe('1234\n2345\n2345 3456 4567\n')
    const other = await pod.exec('user', 'id -u; id -G', { user: { uid: 1, gid: 1, additionalGids: [9] } })
    expect(other.stdout).toBe('1\n1 9\n')
    await pod.remove('user')
  })

  test('capabilities are those of the spec: one added, all dropped', async () => {
    const show =
      'grep Cap /proc/self/status | cut -c1-3,4-; chown 1:1 /bin 2>&1; date -s 2030-01-01 >/dev/null 2>&1; echo $?'
    const none = await run(show, { process: capabilities() })
    expect(none.stdout).toContain('CapEff:\t0000000000000000')
    expect(none.stdout).toContain('CapBnd:\t0000000000000000')
    expect(none.stdout).toContain('Operation not permitted')
    const some = await run(show, { process: capabilities('CAP_CHOWN', 'CAP_NET_ADMIN') })
    expect(some.stdout).toContain('CapEff:\t0000000000001001')
    expect(some.stdout).not.toContain('not permitted')
  })

  test('noNewPrivileges keeps a set-user-ID program from working, without it the program works', async () => {
    const user = { uid: 1234, gid: 1234 }
    const mounts = [bind(`${area.path}/probe`, '/probe')]
    expect((await run('/probe euid', { mounts, process: { user } })).stdout).toBe('0\n')
    const kept = await run('/probe euid', { mounts, process: { user, noNewPrivileges: true } })
    expect(kept.stdout).toBe('1234\n')
  })
})

describe('what it may touch', () => {
  test('a read-only root file system, with a writable tmpfs in it', async () => {
    const { stdout, stderr } = await run('touch /x; touch /tmp/y && echo ok', {
      readonlyRoot: true,
      mounts: [{ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=1m', 'mode=1777'] }],
    })
    expect(stdout).toBe('ok\n')
    expect(stderr).toContain('touch: /x: Read-only file system')
  })

  test('masked paths are empty, read-only paths refuse; without them both are there', async () => {
    const script = 'cat /proc/timer_list | wc -c; echo 99999 > /proc/sys/kernel/pid_max; echo $?'
    const confined = await run(script)
    expect(confined.stdout).toBe('0\n1\n')
    expect(confined.stderr).toContain('Read-only file system')
    const open = await run(script, { linux: { maskedPaths: [], readonlyPaths: [] } })
    expect(open.stdout).toMatch(/^[1-9]\d*\n0\n$/)
  })

  test('seccomp: the default profile is active, a custom one decides with its own errno', async () => {
    const script = 'grep Seccomp: /proc/self/status; unshare -U true; mkdir /made'
    const standard = await run(script)
    expect(standard.stdout).toBe('Seccomp:\t2\n')
    expect(standard.stderr).toBe('unshare: unshare(0x10000000): Operation not permitted\n')
    const custom = {
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }],
    }
    const own = await run(script, { linux: { seccomp: custom } })
    expect(own.stderr).toBe("mkdir: can't create directory '/made': No space left on device\n")
    const none = await run(script, { linux: { seccomp: undefined } })
    expect(none).toMatchObject({ stdout: 'Seccomp:\t0\n', stderr: '' })
  })

  /** A filter of one instruction: BPF_RET | BPF_K, SECCOMP_RET_ALLOW. */
  const allowEverything = Buffer.from([6, 0, 0, 0, 0, 0, 0xff, 0x7f]).toString('base64')

  test.each([
    ['seccomp', {}],
    // crun would take it in place of the profile.
    ['seccomp under an annotation that brings a filter', { 'run.oci.seccomp_bpf_data': allowEverything }],
  ])('%s: what a profile does not list gets the errno that it names as default', async (_, annotations) => {
    const seccomp = {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [{ names: allowedForMkdir.split(' '), action: 'SCMP_ACT_ALLOW' }],
    }
    const { stderr } = await run('mkdir /made', {
      annotations,
      linux: { seccomp },
      // Otherwise the filter is there before the user is changed, which it would have to allow.
      process: { noNewPrivileges: true },
    })
    expect(stderr).toBe("mkdir: can't create directory '/made': Function not implemented\n")
  })

  test('labels, processors and disks of the host are no obstacle', async () => {
    const resources = {
      cpu: { cpus: '200-201', mems: '7' },
      blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 240, rate: 1 }] },
    }
    const { stdout } = await run('cat /proc/self/attr/current 2>/dev/null; echo runs', {
      process: {
        apparmorProfile: 'cri-containerd.apparmor.d',
        selinuxLabel: 'system_u:system_r:container_t:s0',
      },
      linux: { mountLabel: 'system_u:object_r:container_file_t:s0', resources },
    })
    expect(stdout).toBe('runs\n')
  })

  test('devices: the usual ones work, and a node that a container makes for another is refused', async () => {
    const script = [
      'for d in null zero full random urandom tty ptmx; do stat -L -c "%n %t:%T %a" /dev/$d; done',
      'head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x > /dev/full; echo x > /dev/null',
      'mknod /dev/mem c 1 1; mknod /dev/kmsg c 1 11; cat /dev/mem; cat /dev/kmsg',
    ].join('\n')
    const { stdout, stderr } = await run(script)
    expect(stdout).toBe(
      '/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n/dev/urandom 1:9 666\n' +
        '/dev/tty 5:0 666\n/dev/ptmx 5:2 666\n4\n4\n',
    )
    expect(stderr).toContain('No space left on device')
    expect(stderr).toContain("cat: can't open '/dev/mem': Operation not permitted")
    expect(stderr).toContain("cat: can't open '/dev/kmsg': Operation not permitted")
  })

  test('a device of the host is refused by name; one that every kernel has is the guest’s own', async () => {
    const kvm = { path: '/dev/kvm', type: 'c', major: 10, minor: 232 }
    await expect(pod.add('kvm', { linux: { devices: [kvm] } })).rejects.toThrow(
      '[DEVICE_UNSUPPORTED] device /dev/kvm (c 10:232) of container kvm',
    )
    const fuse = { path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666 }
    const resources = { devices: [{ allow: true, type: 'c', major: 10, minor: 229, access: 'rwm' }] }
    expect(
      (await run('stat -c "%t:%T" /dev/fuse; : <> /dev/fuse', { linux: { devices: [fuse], resources } }))
        .stdout,
    ).toBe('a:e5\n')
  })
})

describe('limits and kernel parameters', () => {
  test('ulimits: soft and hard, also above the guest’s default', async () => {
    const rlimits = [
      { type: 'RLIMIT_NOFILE', soft: 5000, hard: 1_073_741_816 },
      { type: 'RLIMIT_NPROC', soft: 100, hard: 200 },
      { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
    ]
    const { stdout } = await run('ulimit -n; ulimit -Hn; ulimit -u; ulimit -Hu; ulimit -Hc', {
      process: { rlimits },
    })
    expect(stdout).toBe('5000\n1073741816\n100\n200\n0\n')
  })

  test('without them a user has as much as on a host with systemd, however small the machine is at its boot', async () => {
    const script =
      "ulimit -u; awk '/pending/ {print $4, $5}' /proc/self/limits; " +
      'cd /proc/sys; cat fs/file-max fs/epoll/max_user_watches fs/inotify/max_user_instances ' +
      'fs/inotify/max_user_watches fs/pipe-user-pages-soft vm/max_map_count'
    const { stdout } = await run(script, { process: { user: { uid: 1234, gid: 1234 }, rlimits: [] } })
    const most = '9223372036854775807'
    expect(stdout).toBe(`unlimited\nunlimited unlimited\n${most}\n${most}\n2147483647\n1048576\n0\n1048576\n`)
  })

  test('huge pages: their limit binds those that the pod makes with its own kernel', async () => {
    const limits = (limit: number) => ({ hugepageLimits: [{ pageSize: '2MB', limit }] })
    await pod.add('huge', { linux: { resources: limits(4 << 20) } })
    const limit = async () => (await pod.exec('huge', 'cat /sys/fs/cgroup/hugetlb.2MB.max')).stdout
    expect(await limit()).toBe(`${4 << 20}\n`)
    const value = new TextEncoder().encode(JSON.stringify(limits(0)))
    await pod.task.update({ id: 'huge', resources: { typeUrl: '', value } })
    expect(await limit()).toBe('0\n')
    await pod.remove('huge')
  })

  test('sysctls of the pod: of its network and of its IPC namespace, seen by every container', async () => {
    const { stdout } = await run('cat /proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax')
    expect(stdout).toBe('77\n1234567\n')
  })

  test('a parameter that is no namespace’s belongs to the pod’s own kernel', async () => {
    const sysctl = { 'vm.swappiness': '7', 'net/ipv4/ip_forward': '1' }
    expect(
      (await run('cat /proc/sys/vm/swappiness /proc/sys/net/ipv4/ip_forward', { linux: { sysctl } })).stdout,
    ).toBe('7\n1\n')
    await expect(pod.add('typo', { linux: { sysctl: { 'net.core.nothing': '1' } } })).rejects.toThrow(
      'sysctl net.core.nothing=1 cannot be set in the guest: ENOENT',
    )
    await expect(pod.add('out', { linux: { sysctl: { '../../etc/x': '1' } } })).rejects.toThrow(
      'is not the name of a sysctl',
    )
  })
})

describe('processes', () => {
  test('of another container: unseen, unless the pod shares them; the agent is never among them', async () => {
    const processes = 'ps -o comm,args | grep -v ps'
    expect((await run(processes, { pid: 'own' })).stdout).not.toContain('sleep 1000')
    const shared = await run(processes, { pid: 'pod' })
    expect(shared.stdout).toContain('sleep 1000')
    expect(shared.stdout).not.toMatch(/agent|crun|kthread/)
    const hostPid = await run(`${processes}; readlink /proc/1/exe`, {
      linux: { namespaces: [{ type: 'mount' }, { type: 'ipc' }, { type: 'uts' }] },
    })
    expect(hostPid.stdout).toContain('sleep 1000')
    expect(hostPid.stdout).toMatch(/\n\/bin\/\w+\n$/)
  })
})

describe('privileged', () => {
  const privileged: SpecWish = {
    process: capabilities(...allCapabilities),
    linux: {
      seccomp: undefined,
      maskedPaths: [],
      readonlyPaths: [],
      resources: { devices: [{ allow: true, access: 'rwm' }] },
    },
  }
  /** The list of every device of the host that containerd sends along, unless told otherwise. */
  const hostDevices = [
    { path: '/dev/kvm', type: 'c', major: 10, minor: 232 },
    { path: '/dev/sda', type: 'b', major: 8, minor: 0 },
    { path: '/dev/vda', type: 'b', major: 254, minor: 0 },
    { path: '/dev/net/tun', type: 'c', major: 10, minor: 200 },
  ]

  test.each([
    ['without the host’s devices', []],
    ['with a list of the host’s devices', hostDevices],
  ])('%s: every capability and device of the guest, none of the host', async (_, devices) => {
    const script = [
      'grep CapEff /proc/self/status; ls /dev | grep -c .; ls /dev/kvm /dev/sda /dev/vda 2>&1 | grep -vc "No such"',
      'head -c 1 /dev/mem | wc -c; mount -t tmpfs x /mnt && echo mounted; echo h > /proc/sys/kernel/sysrq && echo set',
      'stat -c %t:%T /dev/hwrng /dev/kmsg',
    ].join('\n')
    const wish = { ...privileged, linux: { ...privileged.linux, devices } }
    const { stdout, stderr } = await run(script.replace('echo h', 'echo 1'), wish)
    expect(stderr).toBe('')
    const [effective, nodes, ofHost, ...rest] = stdout.trim().split('\n')
    expect(effective).toBe(
      `CapEff:\t${everyCapability
        .reduce((set, bit) => set | (1n << BigInt(bit)), 0n)
        .toString(16)
        .padStart(16, '0')}`,
    )
    expect(Number(nodes)).toBeGreaterThan(50)
    expect(ofHost).toBe('0')
    expect(rest).toEqual(['1', 'mounted', 'set', 'a:b7', '1:b'])
  })

  test('a node made for the host’s KVM or disk leads nowhere', async () => {
    const script = 'cd /dev; mknod kvm c 10 232; mknod sda b 8 0; mknod vda b 254 0; cat kvm sda vda'
    const { stderr, stdout } = await run(script, privileged)
    expect(stdout).toBe('')
    expect(
      stderr
        .split('\n')
        .slice(0, 3)
        .map((line) => line.replace(' or address', '')),
    ).toEqual(['kvm', 'sda', 'vda'].map((name) => `cat: can't open '${name}': No such device`))
  })

  test('/dev of the host as a hostPath is the guest’s', async () => {
    const { stdout } = await run(
      'ls /host-dev/kvm /host-dev/hwrng 2>/dev/null; ls /host-sys/class | grep -c .',
      {
        ...privileged,
        mounts: [bind('/dev', '/host-dev'), bind('/sys', '/host-sys', 'ro')],
      },
    )
    expect(stdout).toMatch(/^\/host-dev\/hwrng\n\d+\n$/)
  })
})
