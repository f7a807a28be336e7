/**
 * An OCI specification as the agent's message. The compiler holds both ends: each field of the message is given, and comes
 * from a field of the specification's type.
 */
import type * as agent from '../../protocol/generated/oci.ts'
import type { OciSeccomp } from '../seccomp.ts'
import type { OciDevice, OciHook, OciHooks, OciIdMapping, OciLinux, OciSpec } from '../spec.ts'
import { int64, uint64 } from './agent-numbers.ts'
import { toAgentProcess } from './agent-process.ts'
import { toAgentResources } from './agent-resources.ts'

/** Pure. What is absent gets the protocol's default, which the agent takes for absent. */
export function toAgentSpec(spec: OciSpec): agent.Spec {
  const { ociVersion = '', process, root, hostname = '', mounts = [], hooks, annotations = {}, linux } = spec
  return {
    version: ociVersion,
    process: process && toAgentProcess(process),
    root: root && { path: root.path, readonly: root.readonly ?? false },
    hostname,
    mounts: mounts.map(({ destination, source = '', type = '', options = [] }) => ({
      destination,
      source,
      type,
      options: [...options],
    })),
    hooks: hooks && toHooks(hooks),
    annotations: { ...annotations },
    linux: linux && toLinux(linux),
  }
}

function toHooks(hooks: OciHooks): agent.Hooks {
  return {
    prestart: (hooks.prestart ?? []).map(toHook),
    poststart: (hooks.poststart ?? []).map(toHook),
    poststop: (hooks.poststop ?? []).map(toHook),
    createRuntime: (hooks.createRuntime ?? []).map(toHook),
    createContainer: (hooks.createContainer ?? []).map(toHook),
    startContainer: (hooks.startContainer ?? []).map(toHook),
  }
}

function toHook({ path, args = [], env = [], timeout }: OciHook): agent.Hook {
  return { path, args: [...args], env: [...env], timeout: int64(timeout) }
}

/** To write nothing changes nothing, and is no error to the kernel. An empty value is written as sysctl(8) does it: as an empty line. */
const toSysctl = (sysctl: OciLinux['sysctl'] = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(sysctl).map(([name, value]) => [name, value === '' ? '\n' : value]))

function toLinux(linux: OciLinux): agent.Linux {
  const { resources, seccomp, intelRdt, namespaces = [], devices = [] } = linux
  return {
    uidMappings: (linux.uidMappings ?? []).map(toIdMapping),
    gidMappings: (linux.gidMappings ?? []).map(toIdMapping),
    sysctl: toSysctl(linux.sysctl),
    resources: resources && toAgentResources(resources),
    cgroupsPath: linux.cgroupsPath ?? '',
    namespaces: namespaces.map(({ type, path = '' }) => ({ type, path })),
    devices: devices.map(toDevice),
    seccomp: seccomp && toSeccomp(seccomp),
    rootfsPropagation: linux.rootfsPropagation ?? '',
    maskedPaths: [...(linux.maskedPaths ?? [])],
    readonlyPaths: [...(linux.readonlyPaths ?? [])],
    mountLabel: linux.mountLabel ?? '',
    intelRdt: intelRdt && { l3CacheSchema: intelRdt.l3CacheSchema ?? '' },
  }
}

function toIdMapping({ hostID, containerID, size }: OciIdMapping): agent.LinuxIDMapping {
  return { hostId: hostID, containerId: containerID, size }
}

function toDevice({ path, type, major, minor, fileMode, uid = 0, gid = 0 }: OciDevice): agent.LinuxDevice {
  return { path, type, major: int64(major), minor: int64(minor), fileMode: modeOf(type, fileMode), uid, gid }
}

/** The bits of mknod(2) by the type of a device; the others are character devices. */
const typeBits = new Map([
  ['b', 0o060000],
  ['p', 0o010000],
])

/**
 * Without a mode, a device has runc's. The protocol takes zero for absent, and everybody could use the device. So a mode of zero goes with the
 * bits of the device's type, which mknod(2) has anyway and chmod(2) ignores.
 */
function modeOf(type: string, fileMode = 0o666): number {
  const permissions = fileMode & 0o7777
  return permissions === 0 ? (typeBits.get(type) ?? 0o020000) : permissions
}

function toSeccomp(seccomp: OciSeccomp): agent.LinuxSeccomp {
  const { defaultAction, defaultErrnoRet, architectures = [], flags = [], syscalls = [] } = seccomp
  return {
    defaultAction,
    defaultErrnoRet: errnoOf(defaultAction, defaultErrnoRet),
    architectures: [...architectures],
    flags: [...flags],
    syscalls: syscalls.map(({ names, action, errnoRet, args = [] }) => ({
      names: [...names],
      action,
      errnoRet: errnoOf(action, errnoRet),
      args: args.map(({ index, value, valueTwo, op }) => ({
        index: uint64(index),
        value: uint64(value),
        valueTwo: uint64(valueTwo),
        op,
      })),
    })),
  }
}

/** The protocol takes zero for absent, which means EPERM. This number has the same lower 16 bits, and libseccomp reads no others. */
const zeroErrno = 0x10000

function errnoOf(action: string, number?: number): number {
  const isZero = number === 0 && /^SCMP_ACT_(ERRNO|TRACE)$/.test(action)
  return isZero ? zeroErrno : (number ?? 0)
}
