/** Reads an expected posture that was written down as JSON. */
import { dictionary, list, needed, record } from '../json/compounds.ts'
import { bool, choice, exactly, int64, type Reader, text, uint32 } from '../json/values.ts'
import type { CapabilitySet, MountPosture, NamespaceKind } from './posture/posture.ts'
import type { ExpectedPosture } from './posture/posture-check.ts'

const texts = list(text)
const perNamespace = <T>(reader: Reader<T>) =>
  record<Record<NamespaceKind, T>>({
    mnt: needed(reader),
    ipc: needed(reader),
    uts: needed(reader),
    net: needed(reader),
    pid: needed(reader),
    user: needed(reader),
    cgroup: needed(reader),
  })

export const expectedPostureReader = () =>
  record<ExpectedPosture>({
    uid: needed(uint32),
    gid: needed(uint32),
    groups: needed(list(uint32)),
    capabilities: needed(
      record<Record<CapabilitySet, string>>({
        CapInh: needed(text),
        CapPrm: needed(text),
        CapEff: needed(text),
        CapBnd: needed(text),
        CapAmb: needed(text),
      }),
    ),
    idMap: needed(text),
    noNewPrivs: needed(exactly(1)),
    seccomp: needed(exactly(2)),
    seccompFilters: needed(uint32),
    firstThreadFilters: needed(uint32),
    inheritedFilters: uint32,
    namespaces: needed(perNamespace(choice('own', 'host'))),
    hostNamespaces: needed(perNamespace(text)),
    mounts: needed(list(record<MountPosture>({ point: needed(text), flags: needed(texts) }))),
    descriptors: needed(dictionary(text)),
    files: texts,
    opens: needed(texts),
    handedOver: dictionary(texts),
    sockets: needed(uint32),
    fewestSockets: uint32,
    anySockets: bool,
    mountsBelow: bool,
    environment: needed(exactly(0)),
    limits: needed(
      record<ExpectedPosture['limits']>({
        core: text,
        nofile: text,
        nproc: text,
        memlock: text,
        as: text,
        fsize: text,
      }),
    ),
    cwd: needed(exactly('/')),
    oomScoreAdj: int64,
    cores: exactly('own'),
    interfaces: texts,
  })
