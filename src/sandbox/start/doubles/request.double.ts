/** A request for a sandbox whose files are in a directory of the test. */
import { join } from 'node:path'
import type { Config, HypervisorConfig } from '../../../config/config.ts'
import { builtInConfig } from '../../../config/load.ts'
import { silentLogger } from '../../../log.ts'
import { deviceRights } from '../../../oci/devices/device-rights.ts'
import type { OciSpec } from '../../../oci/spec.ts'
import type { SandboxRequest } from '../request.ts'

/** A device of VFIO by these numbers, which the container of the request asks for. */
export const vfioDevice = { path: '/dev/vfio/12', type: 'c', major: 243, minor: 0 }
const spec: OciSpec = { linux: { devices: [vfioDevice] } }

export function someRequest(
  directory: string,
  signal: AbortSignal,
  changes: Partial<HypervisorConfig>,
): SandboxRequest {
  return {
    id: 'pod',
    namespace: 'test',
    runDir: join(directory, 'run'),
    hostname: 'pod',
    shmBytes: 64 << 20,
    network: { dns: [] },
    container: {
      id: 'pod',
      bundle: join(directory, 'bundle'),
      spec,
      rootfs: [],
      rights: deviceRights(spec),
    },
    config: someConfig(changes),
    log: silentLogger,
    signal,
  }
}

function someConfig(changes: Partial<HypervisorConfig>): Config {
  const base = builtInConfig({ cpus: 2, memoryMiB: 2048 })
  const program = '/bin/sh'
  const own = {
    path: program,
    virtioFsDaemon: program,
    coldPlugVfio: 'root-port',
    defaultMemory: 256,
  } as const
  return { ...base, hypervisor: { ...base.hypervisor, ...own, ...changes } }
}
