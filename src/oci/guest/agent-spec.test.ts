import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { KataError } from '../../errors.ts'
import { LinuxResources, Spec } from '../../protocol/generated/oci.ts'
import { parseProcessText, parseResourcesText, parseSpec } from '../read-spec.ts'
import { toAgentProcess } from './agent-process.ts'
import { toAgentResources } from './agent-resources.ts'
import { toAgentSpec } from './agent-spec.ts'

const read = (json: unknown) => toAgentSpec(parseSpec(json))

/** Every field that the agent's protocol has, each with a value of its own. */
const full = {
  ociVersion: '1.2.0',
  process: {
    terminal: true,
    consoleSize: { height: 24, width: 80 },
    user: { uid: 1000, gid: 1001, additionalGids: [5, 6], username: 'u', umask: 18 },
    args: ['sh', '-c', 'true'],
    env: ['PATH=/bin', 'A=é'],
    cwd: '/w',
    capabilities: {
      bounding: ['CAP_CHOWN'],
      effective: ['CAP_KILL'],
      inheritable: ['CAP_FOWNER'],
      permitted: ['CAP_SETUID'],
      ambient: ['CAP_SETGID'],
    },
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 2 ** 64, soft: 1024 }],
    noNewPrivileges: true,
    apparmorProfile: 'ap',
    oomScoreAdj: -998,
    selinuxLabel: 'sl',
  },
  root: { path: 'rootfs', readonly: true },
  hostname: 'box',
  mounts: [{ destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid'] }],
  hooks: {
    prestart: [{ path: '/a', args: ['a'], env: ['e'], timeout: 3 }],
    poststart: [{ path: '/b' }],
    poststop: [{ path: '/c' }],
    createRuntime: [{ path: '/d' }],
    createContainer: [{ path: '/e' }],
    startContainer: [{ path: '/f' }],
  },
  annotations: { 'io.kubernetes.cri.container-type': 'sandbox' },
  linux: {
    uidMappings: [{ hostID: 100, containerID: 0, size: 65536 }],
    gidMappings: [{ hostID: 200, containerID: 1, size: 10 }],
    sysctl: { 'net.ipv4.ip_forward': '1' },
    cgroupsPath: '/k/c',
    namespaces: [{ type: 'pid' }, { type: 'network', path: '/run/netns/x' }],
    devices: [{ path: '/dev/x', type: 'c', major: 10, minor: 229, fileMode: 438, uid: 1, gid: 2 }],
    seccomp: {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [
        {
          names: ['clone', 'unshare'],
          action: 'SCMP_ACT_ALLOW',
          errnoRet: 38,
          args: [{ index: 0, value: 2114060288, valueTwo: 7, op: 'SCMP_CMP_MASKED_EQ' }],
        },
      ],
    },
    rootfsPropagation: 'slave',
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
    mountLabel: 'ml',
    intelRdt: { l3CacheSchema: 'L3:0=f', closID: 'x' },
    resources: {
      devices: [{ allow: false, type: 'a', major: -1, minor: 3, access: 'rwm' }],
      memory: {
        limit: 2 ** 63 - 4096,
        reservation: 2,
        swap: -1,
        kernel: 4,
        kernelTCP: 5,
        swappiness: 60,
        disableOOMKiller: true,
      },
      cpu: {
        shares: 1024,
        quota: -1,
        period: 100000,
        realtimeRuntime: 6,
        realtimePeriod: 7,
        cpus: '0-1',
        mems: '0',
      },
      pids: { limit: 64 },
      blockIO: {
        weight: 10,
        leafWeight: 11,
        weightDevice: [{ major: 8, minor: 0, weight: 500, leafWeight: 300 }],
        throttleReadBpsDevice: [{ major: 8, minor: 1, rate: 600 }],
        throttleWriteBpsDevice: [{ major: 8, minor: 2, rate: 601 }],
        throttleReadIOPSDevice: [{ major: 8, minor: 3, rate: 602 }],
        throttleWriteIOPSDevice: [{ major: 8, minor: 4, rate: 603 }],
      },
      hugepageLimits: [{ pageSize: '2MB', limit: 9 }],
      network: { classID: 1048577, priorities: [{ name: 'eth0', priority: 500 }] },
      unified: { 'memory.high': '1000' },
      rdma: { mlx5_1: { hcaHandles: 3 } },
    },
  },
  vm: { hypervisor: { path: '/x' } },
}

test('every field of the specification arrives, through the wire too', () => {
  const spec = read(full)
  expect(Spec.decode(Spec.encode(spec).finish())).toEqual(spec)
  expect(spec.version).toBe('1.2.0')
  expect(spec.process).toEqual({
    ...full.process,
    rlimits: [{ type: 'RLIMIT_NOFILE', hard: 0xffffffffffffffffn, soft: 1024n }],
    oomScoreAdj: -998n,
  })
  expect(spec.root).toEqual(full.root)
  expect(spec.hostname).toBe('box')
  expect(spec.mounts).toEqual(full.mounts)
  expect(spec.annotations).toEqual(full.annotations)
  expect(spec.hooks?.prestart).toEqual([{ path: '/a', args: ['a'], env: ['e'], timeout: 3n }])
  expect(Object.values(spec.hooks ?? {}).map(([hook]) => hook?.path)).toEqual([
    '/a',
    '/b',
    '/c',
    '/d',
    '/e',
    '/f',
  ])
  expect(spec.linux).toEqual({
    uidMappings: [{ hostId: 100, containerId: 0, size: 65536 }],
    gidMappings: [{ hostId: 200, containerId: 1, size: 10 }],
    sysctl: { 'net.ipv4.ip_forward': '1' },
    cgroupsPath: '/k/c',
    namespaces: [
      { type: 'pid', path: '' },
      { type: 'network', path: '/run/netns/x' },
    ],
    devices: [{ path: '/dev/x', type: 'c', major: 10n, minor: 229n, fileMode: 438, uid: 1, gid: 2 }],
    seccomp: {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [
        {
          names: ['clone', 'unshare'],
          action: 'SCMP_ACT_ALLOW',
          errnoRet: 38,
          args: [{ index: 0n, value: 2114060288n, valueTwo: 7n, op: 'SCMP_CMP_MASKED_EQ' }],
        },
      ],
    },
    rootfsPropagation: 'slave',
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
    mountLabel: 'ml',
    intelRdt: { l3CacheSchema: 'L3:0=f' },
    resources: {
      devices: [{ allow: false, type: 'a', major: -1n, minor: 3n, access: 'rwm' }],
      memory: {
        limit: 9223372036854771712n,
        reservation: 2n,
        swap: -1n,
        kernel: 4n,
        kernelTcp: 5n,
        swappiness: 60n,
        disableOomKiller: true,
      },
      cpu: {
        shares: 1024n,
        quota: -1n,
        period: 100000n,
        realtimeRuntime: 6n,
        realtimePeriod: 7n,
        cpus: '0-1',
        mems: '0',
      },
      pids: { limit: 64n },
      blockIo: {
        weight: 10,
        leafWeight: 11,
        weightDevice: [{ major: 8n, minor: 0n, weight: 500, leafWeight: 300 }],
        throttleReadBpsDevice: [{ major: 8n, minor: 1n, rate: 600n }],
        throttleWriteBpsDevice: [{ major: 8n, minor: 2n, rate: 601n }],
        throttleReadIopsDevice: [{ major: 8n, minor: 3n, rate: 602n }],
        throttleWriteIopsDevice: [{ major: 8n, minor: 4n, rate: 603n }],
      },
      hugepageLimits: [{ pagesize: '2MB', limit: 9n }],
      network: { classId: 1048577, priorities: [{ name: 'eth0', priority: 500 }] },
      unified: { 'memory.high': '1000' },
    },
  })
})

test('a device without a mode has the one of runc, and a mode of zero is none', () => {
  const modeOf = (type: string, fileMode?: number) => {
    const device = {
      path: '/dev/x',
      type,
      major: 10,
      minor: 229,
      ...(fileMode !== undefined && { fileMode }),
    }
    return toAgentSpec({ linux: { devices: [device] } }).linux?.devices[0]?.fileMode
  }
  expect(modeOf('c')).toBe(0o666)
  expect(modeOf('c', 0o620)).toBe(0o620)
  // The protocol has no zero of its own.
  expect(['c', 'u', 'b', 'p'].map((type) => modeOf(type, 0))).toEqual([
    0o020000, 0o020000, 0o060000, 0o010000,
  ])
  // As stat(2) gives it.
  expect([modeOf('c', 0o020660), modeOf('b', 0o060000)]).toEqual([0o660, 0o060000])
})

test('a call that is to return 0 has no error, and a rule without a number has none', () => {
  const numbersOf = (action: string, number?: number) => {
    const errno = number === undefined ? [{}, {}] : [{ defaultErrnoRet: number }, { errnoRet: number }]
    const seccomp = {
      defaultAction: action,
      ...errno[0],
      syscalls: [{ names: ['sync'], action, ...errno[1] }],
    }
    const { defaultErrnoRet, syscalls } = toAgentSpec({ linux: { seccomp } }).linux!.seccomp!
    return [defaultErrnoRet, syscalls[0]!.errnoRet]
  }
  // SCMP_ACT_ERRNO and SCMP_ACT_TRACE of libseccomp take the lower 16 bits.
  for (const action of ['SCMP_ACT_ERRNO', 'SCMP_ACT_TRACE']) {
    expect(numbersOf(action, 0)).toEqual([0x10000, 0x10000])
    expect(numbersOf(action, 38)).toEqual([38, 38])
    expect(numbersOf(action)).toEqual([0, 0])
  }
  // crun refuses a number of these.
  expect(numbersOf('SCMP_ACT_ALLOW', 0)).toEqual([0, 0])
})

test('an absent umask and one of zero are not the same, through the wire too', () => {
  for (const umask of [undefined, 0, 0o77]) {
    const user = { uid: 1, ...(umask !== undefined && { umask }) }
    const spec = read({ process: { user } })
    expect(Spec.decode(Spec.encode(spec).finish()).process?.user?.umask).toBe(umask)
  }
})

test('an empty sysctl is an empty line, which empties a text and is no number', () => {
  const sysctl = { 'kernel.domainname': '', 'net.core.somaxconn': '0' }
  expect(read({ linux: { sysctl } }).linux?.sysctl).toEqual({ ...sysctl, 'kernel.domainname': '\n' })
})

test('limits of the processor without a field of their own go by the file of cgroup v2', () => {
  const unified = (text: string) => toAgentResources(parseResourcesText(text)).unified
  expect(unified('{"cpu":{"idle":1,"burst":5000},"unified":{"memory.high":"1"}}')).toEqual({
    'cpu.idle': '1',
    'cpu.max.burst': '5000',
    'memory.high': '1',
  })
  expect(unified('{"cpu":{"idle":0},"unified":{"cpu.idle":"1"}}')).toEqual({ 'cpu.idle': '1' })
  expect(unified('{"cpu":{"shares":2}}')).toEqual({})
})

test('a device rule without a number is about all of them; without rights it denies all, and allows none', () => {
  const devices = (rules: object[]) =>
    toAgentResources(parseResourcesText(JSON.stringify({ devices: rules }))).devices
  const any = -1n
  expect(devices([{ allow: false, type: 'c', major: 10, access: 'w' }])).toEqual([
    { allow: false, type: 'c', major: 10n, minor: any, access: 'w' },
  ])
  expect(devices([{ allow: true, type: 'c', major: 10, minor: 0, access: 'r' }])).toEqual([
    { allow: true, type: 'c', major: 10n, minor: 0n, access: 'r' },
  ])
  expect(devices([{ type: 'c' }])).toEqual([
    { allow: false, type: 'c', major: any, minor: any, access: 'rwm' },
  ])
  expect(devices([{ type: 'c', access: '' }])[0]?.access).toBe('rwm')
  expect(devices([{ allow: true, type: 'c', major: 10, minor: 229 }])).toEqual([
    { allow: true, type: 'c', major: 10n, minor: 229n, access: '' },
  ])
})

test('missing and null parts keep their defaults', () => {
  expect(read({})).toEqual(Spec.fromPartial({}))
  expect(read({ process: null, linux: { seccomp: null } })).toEqual(Spec.fromPartial({ linux: {} }))
  expect(toAgentResources(parseResourcesText('{"pids":{"limit":5}}'))).toEqual(
    LinuxResources.fromPartial({ pids: { limit: 5n } }),
  )
})

test.each([
  [{ process: { args: ['a', 1] } }, 'process.args[1]'],
  [{ process: { user: { uid: -1 } } }, 'process.user.uid'],
  [{ process: { user: { uid: 2 ** 32 } } }, 'process.user.uid'],
  [{ linux: { resources: { memory: { limit: '1G' } } } }, 'linux.resources.memory.limit'],
  [{ linux: { resources: { memory: { limit: 1.5 } } } }, 'linux.resources.memory.limit'],
  [{ linux: { sysctl: { a: 1 } } }, 'linux.sysctl.a'],
  [{ mounts: {} }, 'mounts'],
  [[], 'its root'],
])('%j is refused, and the error says where', (json, path) => {
  expect(() => read(json)).toThrow(
    expect.objectContaining({ code: 'OCI_SPEC_INVALID', fields: expect.objectContaining({ path }) }),
  )
})

test('an exec has only a process', () => {
  expect(toAgentProcess(parseProcessText('{"args":["ls"],"cwd":"/"}'))).toMatchObject({
    args: ['ls'],
    cwd: '/',
    terminal: false,
  })
})

test('any JSON is either converted to something that encodes, or refused with a coded error', () => {
  const names = fc.constantFrom(
    'process',
    'user',
    'uid',
    'args',
    'linux',
    'resources',
    'memory',
    'limit',
    'mounts',
    '__proto__',
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, fc.jsonValue(), fc.dictionary(names, tie('tree')), fc.array(tie('tree'))),
  }))
  fc.assert(
    fc.property(tree, (json) => {
      try {
        Spec.encode(read(json)).finish()
      } catch (error) {
        expect(error).toBeInstanceOf(KataError)
      }
    }),
    { numRuns: 300 },
  )
})
