/** The reader of the `linux` part of an OCI specification. */
import { dictionary, list, needed, record } from '../json/compounds.ts'
import { int64, text, uint32 } from '../json/values.ts'
import { readResources } from './resources.ts'
import { readSeccomp } from './seccomp.ts'
import type { OciDevice, OciIdMapping, OciLinux, OciNamespace } from './spec.ts'

export const idMappings = list(
  record<OciIdMapping>({ containerID: needed(uint32), hostID: needed(uint32), size: needed(uint32) }),
)

export const readLinux = record<OciLinux>({
  uidMappings: idMappings,
  gidMappings: idMappings,
  sysctl: dictionary(text),
  resources: readResources,
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
  seccomp: readSeccomp,
  rootfsPropagation: text,
  maskedPaths: list(text),
  readonlyPaths: list(text),
  mountLabel: text,
  intelRdt: record<{ readonly l3CacheSchema?: string }>({ l3CacheSchema: text }),
})
