/**
 * The JSON of an OCI runtime specification (config.md, config-linux.md) as the agent's protobuf messages. Fields have
 * the same names but for the capitals of some; where they differ the JSON name stands beside. What the agent's protocol
 * has no field for is left out.
 */
import { LinuxResources, Process, Spec } from '../protocol/generated/oci.ts'
import { bool, dictionary, int64, list, record, text, uint32, uint64 } from './json-schema.ts'

const texts = list(text)

const process = record({
  terminal: bool,
  consoleSize: record({ height: uint32, width: uint32 }),
  user: record({ uid: uint32, gid: uint32, additionalGids: list(uint32), username: text }),
  args: texts,
  env: texts,
  cwd: text,
  capabilities: record({
    bounding: texts,
    effective: texts,
    inheritable: texts,
    permitted: texts,
    ambient: texts,
  }),
  rlimits: list(record({ type: text, hard: uint64, soft: uint64 })),
  noNewPrivileges: bool,
  apparmorProfile: text,
  oomScoreAdj: int64,
  selinuxLabel: text,
})

const hooks = list(record({ path: text, args: texts, env: texts, timeout: int64 }))
const idMappings = list(
  record({ hostId: ['hostID', uint32], containerId: ['containerID', uint32], size: uint32 }),
)
const throttle = list(record({ major: int64, minor: int64, rate: uint64 }))

const resources = record({
  devices: list(record({ allow: bool, type: text, major: int64, minor: int64, access: text })),
  memory: record({
    limit: int64,
    reservation: int64,
    swap: int64,
    kernel: int64,
    kernelTcp: ['kernelTCP', int64],
    swappiness: uint64,
    disableOomKiller: ['disableOOMKiller', bool],
  }),
  cpu: record({
    shares: uint64,
    quota: int64,
    period: uint64,
    realtimeRuntime: int64,
    realtimePeriod: uint64,
    cpus: text,
    mems: text,
  }),
  pids: record({ limit: int64 }),
  blockIo: [
    'blockIO',
    record({
      weight: uint32,
      leafWeight: uint32,
      weightDevice: list(record({ major: int64, minor: int64, weight: uint32, leafWeight: uint32 })),
      throttleReadBpsDevice: throttle,
      throttleWriteBpsDevice: throttle,
      throttleReadIopsDevice: ['throttleReadIOPSDevice', throttle],
      throttleWriteIopsDevice: ['throttleWriteIOPSDevice', throttle],
    }),
  ],
  hugepageLimits: list(record({ pagesize: ['pageSize', text], limit: uint64 })),
  unified: dictionary(text),
  network: record({
    classId: ['classID', uint32],
    priorities: list(record({ name: text, priority: uint32 })),
  }),
})

const seccomp = record({
  defaultAction: text,
  architectures: texts,
  flags: texts,
  defaultErrnoRet: uint32,
  syscalls: list(
    record({
      names: texts,
      action: text,
      errnoRet: uint32,
      args: list(record({ index: uint64, value: uint64, valueTwo: uint64, op: text })),
    }),
  ),
})

const linux = record({
  uidMappings: idMappings,
  gidMappings: idMappings,
  sysctl: dictionary(text),
  resources,
  cgroupsPath: text,
  namespaces: list(record({ type: text, path: text })),
  devices: list(
    record({
      path: text,
      type: text,
      major: int64,
      minor: int64,
      fileMode: uint32,
      uid: uint32,
      gid: uint32,
    }),
  ),
  seccomp,
  rootfsPropagation: text,
  maskedPaths: texts,
  readonlyPaths: texts,
  mountLabel: text,
  intelRdt: record({ l3CacheSchema: text }),
})

const spec = record({
  version: ['ociVersion', text],
  process,
  root: record({ path: text, readonly: bool }),
  hostname: text,
  mounts: list(record({ destination: text, source: text, type: text, options: texts })),
  hooks: record({
    prestart: hooks,
    poststart: hooks,
    poststop: hooks,
    createRuntime: hooks,
    createContainer: hooks,
    startContainer: hooks,
  }),
  annotations: dictionary(text),
  linux,
})

/** A whole config.json. @throws KataError OCI_SPEC_INVALID with the place of the first wrong value. */
export function toAgentSpec(json: unknown): Spec {
  return Spec.fromPartial(spec(json, ''))
}

/** The `process` object, as an exec carries it. @throws KataError OCI_SPEC_INVALID. */
export function toAgentProcess(json: unknown): Process {
  return Process.fromPartial(process(json, 'process'))
}

/** The `linux.resources` object, as an update carries it. @throws KataError OCI_SPEC_INVALID. */
export function toAgentResources(json: unknown): LinuxResources {
  return LinuxResources.fromPartial(resources(json, 'linux.resources'))
}
