import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { LinuxResources, Process, Spec } from '../../../../src/protocol/generated/oci.ts'
import { toJson } from '../system/json.ts'
import { processToJson, resourcesToJson, specToJson } from './spec.ts'

const context = { cgroupsPath: '/kata/c1', sharedNamespaces: {}, guestDevices: () => [], pageSizes: ['2MB'] }
const minimal = { process: { args: ['true'] }, root: { path: '/rootfs', readonly: true } }
/** What crun reads: the value after a round through JSON, without what is undefined. */
const seen = (value: unknown) => JSON.parse(toJson(value))

describe('specToJson', () => {
  test('a minimal spec has only what has a value', () => {
    expect(seen(specToJson(Spec.fromPartial(minimal), context))).toEqual({
      ociVersion: '1.0.2',
      process: {
        terminal: false,
        user: { uid: 0, gid: 0, additionalGids: [] },
        args: ['true'],
        env: [],
        cwd: '/',
        rlimits: [],
        noNewPrivileges: false,
        oomScoreAdj: 0,
      },
      root: { path: '/rootfs', readonly: true },
      mounts: [],
      linux: { namespaces: [{ type: 'cgroup' }, { type: 'pid' }], cgroupsPath: '/kata/c1' },
    })
  })

  test('a container has half of the terminals that the kernel gives to all, unless it asks for a number', () => {
    const mount = (type: string, options: string[]) => ({ destination: '/x', source: '', type, options })
    const mounts = [
      mount('devpts', ['nosuid', 'newinstance']),
      mount('devpts', ['newinstance', 'max=10']),
      mount('tmpfs', ['nosuid']),
    ]
    const json = seen(specToJson(Spec.fromPartial({ ...minimal, mounts }), context))
    expect(json.mounts.map(({ options }: { options: string[] }) => options)).toEqual([
      ['nosuid', 'newinstance', 'max=1536'],
      ['newinstance', 'max=10'],
      ['nosuid'],
    ])
  })

  test('a umask is the process’s, zero included', () => {
    for (const umask of [0, 0o77]) {
      const process = Process.fromPartial({ args: ['true'], user: { uid: 1, umask } })
      expect(seen(processToJson(process)).user).toEqual({ uid: 1, gid: 0, additionalGids: [], umask })
    }
  })

  test('annotations, by which crun would take orders, are not passed on', () => {
    const annotations = { 'run.oci.seccomp_bpf_data': 'AA==', 'run.oci.hooks.stdout': '/init', mine: 'x' }
    const json = seen(specToJson(Spec.fromPartial({ ...minimal, annotations }), context))
    expect(json.annotations).toBeUndefined()
  })

  test('a profile that the host compiled goes to crun as its filter, without the rules', () => {
    const annotations = { 'io.kata-ts.seccomp-filter': 'AA==' }
    const seccomp = {
      defaultAction: 'SCMP_ACT_ERRNO',
      architectures: ['SCMP_ARCH_X86_64'],
      syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
    }
    const json = (spec: object) => seen(specToJson(Spec.fromPartial({ ...minimal, ...spec }), context))
    const made = json({ annotations, linux: { seccomp } })
    expect(made.annotations).toEqual({ 'run.oci.seccomp_bpf_data': 'AA==' })
    expect(made.linux.seccomp).toEqual({
      defaultAction: 'SCMP_ACT_ERRNO',
      architectures: ['SCMP_ARCH_X86_64'],
      flags: [],
    })
    expect(json({ linux: { seccomp } }).linux.seccomp.syscalls).toEqual(
      seccomp.syscalls.map((rule) => ({ ...rule, args: [] })),
    )
    expect(json({ annotations }).annotations).toBeUndefined()
  })

  test('hooks and the paths of the host are not passed on', () => {
    const spec = Spec.fromPartial({
      ...minimal,
      hooks: { prestart: [{ path: '/bin/evil' }] },
      linux: { cgroupsPath: '/host/path' },
    })
    const text = toJson(specToJson(spec, context))
    expect(text).not.toContain('evil')
    expect(text).not.toContain('/host/path')
  })

  test('namespaces: its own paths first, then those of the pod, and always one for cgroups and processes', () => {
    const linux = { namespaces: [{ type: 'ipc' }, { type: 'uts', path: '/own' }, { type: 'mount' }] }
    const shared = { ipc: '/run/ipc', uts: '/run/uts', pid: '/run/pid' }
    const spec = Spec.fromPartial({ ...minimal, linux })
    expect(seen(specToJson(spec, { ...context, sharedNamespaces: shared })).linux.namespaces).toEqual([
      { type: 'ipc', path: '/run/ipc' },
      { type: 'uts', path: '/own' },
      { type: 'mount' },
      { type: 'cgroup' },
      { type: 'pid', path: '/run/pid' },
    ])
  })

  test('a container that may use every device gets every node of the guest, others only what they ask for', () => {
    const node = {
      path: '/dev/vda',
      type: 'b',
      major: 254,
      minor: 0,
      fileMode: 0o660,
      uid: 0,
      gid: 6,
    } as const
    const asked = { path: '/dev/fuse', type: 'c', major: 10n, minor: 229n }
    const devicesWith = (rule: object) => {
      const linux = { devices: [asked], resources: { devices: [rule] } }
      const given = { ...context, guestDevices: () => [node, { ...node, path: '/dev/fuse' }] }
      return seen(specToJson(Spec.fromPartial({ ...minimal, linux }), given)).linux.devices.map(
        ({ path }: { path: string }) => path,
      )
    }
    expect(devicesWith({ allow: true, access: 'rwm' })).toEqual(['/dev/fuse', '/dev/vda'])
    expect(devicesWith({ allow: true, type: 'a', major: -1n, minor: -1n, access: 'rwm' })).toHaveLength(2)
    for (const rule of [
      { allow: false, access: 'rwm' },
      { allow: true, access: 'rw' },
      { allow: true, type: 'c', access: 'rwm' },
      { allow: true, major: 10n, minor: -1n, access: 'rwm' },
    ])
      expect(devicesWith(rule)).toEqual(['/dev/fuse'])
  })

  test('paths that are hidden or only read stay that', () => {
    const linux = { maskedPaths: ['/proc/kcore'], readonlyPaths: ['/proc/sys'] }
    expect(seen(specToJson(Spec.fromPartial({ ...minimal, linux }), context)).linux).toMatchObject(linux)
  })

  test('sysctls of the machine are not left to the OCI runtime', () => {
    const linux = { sysctl: { 'net.core.somaxconn': '7', 'kernel.shmmax': '8' } }
    expect(seen(specToJson(Spec.fromPartial({ ...minimal, linux }), context)).linux.sysctl).toEqual({
      'kernel.shmmax': '8',
    })
  })

  test('seccomp, id mappings and devices have the names of the specification', () => {
    const linux = {
      uidMappings: [{ hostId: 1, containerId: 2, size: 3 }],
      devices: [{ path: '/dev/x', type: 'c', major: 1n, minor: 0n }],
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        defaultErrnoRet: 38,
        syscalls: [{ names: ['mount'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }],
      },
    }
    const json = seen(specToJson(Spec.fromPartial({ ...minimal, linux }), context)).linux
    expect(json.uidMappings).toEqual([{ hostID: 1, containerID: 2, size: 3 }])
    expect(json.devices).toEqual([{ path: '/dev/x', type: 'c', major: 1, minor: 0, uid: 0, gid: 0 }])
    expect(json.seccomp.defaultErrnoRet).toBe(38)
    expect(json.seccomp.syscalls).toEqual([
      { names: ['mount'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, args: [] },
    ])
  })

  test('a spec without process or root is refused', () => {
    expect(() => specToJson(Spec.fromPartial({ root: { path: '/' } }), context)).toThrow(TypeError)
    expect(() => specToJson(Spec.fromPartial({ process: {} }), context)).toThrow(TypeError)
  })
})

describe('processToJson', () => {
  test('64-bit limits are exact', () => {
    const process = Process.fromPartial({
      args: ['x'],
      rlimits: [{ type: 'RLIMIT_CORE', soft: 2n ** 64n - 1n, hard: 9_007_199_254_740_993n }],
    })
    expect(toJson(processToJson(process))).toContain(
      '"rlimits":[{"type":"RLIMIT_CORE","hard":9007199254740993,"soft":18446744073709551615}]',
    )
  })

  test('the console size only with a terminal', () => {
    const consoleSize = { height: 24, width: 80 }
    expect(processToJson(Process.fromPartial({ consoleSize })).consoleSize).toBeUndefined()
    expect(processToJson(Process.fromPartial({ consoleSize, terminal: true })).consoleSize).toEqual(
      consoleSize,
    )
  })
})

describe('resourcesToJson', () => {
  test('zeros are left out, minus one stays', () => {
    const resources = LinuxResources.fromPartial({
      memory: { limit: 1024n, swap: -1n },
      cpu: { quota: 50_000n },
      pids: { limit: 0n },
      unified: { 'memory.high': '1000' },
    })
    expect(seen(resourcesToJson(resources, context))).toEqual({
      unified: { 'memory.high': '1000' },
      memory: { limit: 1024, swap: -1 },
      cpu: { quota: 50_000 },
    })
  })

  test('limits of huge pages are those of the sizes that the guest has', () => {
    const hugepageLimits = [
      { pagesize: '2MB', limit: 0n },
      { pagesize: '1GB', limit: 1n << 30n },
    ]
    const json = seen(resourcesToJson(LinuxResources.fromPartial({ hugepageLimits }), context))
    expect(json.hugepageLimits).toEqual([{ pageSize: '2MB', limit: 0 }])
  })

  test('device rules: "any" in its three spellings', () => {
    const rule = (type: string, major: bigint, minor: bigint) => ({
      allow: true,
      type,
      major,
      minor,
      access: 'rwm',
    })
    const devices = [
      rule('', 0n, 0n),
      rule('a', 5n, 1n),
      rule('c', -1n, -1n),
      rule('c', 136n, -1n),
      rule('c', 5n, 0n),
    ]
    expect(seen(resourcesToJson(LinuxResources.fromPartial({ devices }), context)).devices).toEqual([
      { allow: true, access: 'rwm' },
      { allow: true, type: 'a', access: 'rwm' },
      { allow: true, type: 'c', access: 'rwm' },
      { allow: true, type: 'c', major: 136, access: 'rwm' },
      { allow: true, type: 'c', major: 5, minor: 0, access: 'rwm' },
    ])
  })
})

test('toJson writes what JSON.stringify writes, for values without bigint', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(toJson(value)).toBe(JSON.stringify(value))
    }),
  )
})
