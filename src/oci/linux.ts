/** The reader of the `linux` part of an OCI specification. */
import { dictionary, list, needed, record } from '../json/compounds.ts'
import { int64, text, uint32 } from '../json/values.ts'
import { resourcesReader } from './resources.ts'
import { seccompReader } from './seccomp.ts'
import type { OciDevice, OciIdMapping, OciLinux, OciNamespace } from './spec.ts'

export const idMappingsReader = () =>
  list(record<OciIdMapping>({ containerID: needed(uint32), hostID: needed(uint32), size: needed(uint32) }))

export const linuxReader = () =>
  record<OciLinux>({
    uidMappings: idMappingsReader(),
    gidMappings: idMappingsReader(),
    sysctl: dictionary(text),
    resources: resourcesReader(),
    cgroupsPath: text,
    namespaces: list(record<OciNamespace>({ type: needed(text), path: text })),
    devices: list(
      record<OciDevice>({
        path: needed(text),
        type: needed(text),
        major: int64,
        minor: int64,
        fileMode: uint32,
        uid: uint32,
        gid: uint32,
      }),
    ),
    seccomp: seccompReader(),
    rootfsPropagation: text,
    maskedPaths: list(text),
    readonlyPaths: list(text),
    mountLabel: text,
    intelRdt: record<{ readonly l3CacheSchema?: string }>({ l3CacheSchema: text }),
  })
