/**
 * Whether the kernel lets a virtiofsd with a user of its own serve a pod's files. It is tried: the version of a patched kernel says little.
 */
import { KataError } from '../../errors.ts'
import { type Check, type CheckContext, failed, type Outcome, ok, warning } from './check.ts'
import { hasNamespace } from './system-checks.ts'

interface Trial {
  readonly name: string
  /** The first version of the kernel that has it. */
  readonly since: string
  readonly works: string
  perform(context: CheckContext): Promise<void>
  /** What a refusal means where virtiofsd may not be root. */
  judge(context: CheckContext, refusal: KataError): Outcome
}

const checkOf = ({ name, since, works, perform, judge }: Trial): Check => ({
  name,
  run: async (context) => {
    const { sharedFs, virtioFsPrivilege } = context.config.hypervisor
    if (sharedFs === 'none') return ok('not used: the VMM shares no directories')
    if (virtioFsPrivilege === 'root') return ok('not used: virtio_fs_privilege = "root"')
    if (context.host.uid() !== 0) return ok('not tested: only root can')
    if (!hasNamespace(context, 'user')) return ok('not tested: it takes a namespace of kind user')
    try {
      await perform(context)
      return ok(works)
    } catch (error) {
      if (!(error instanceof KataError)) throw error
      // It failed before it came to that.
      if (!error.code.startsWith('SHARE_')) return failed(error.rawMessage, error.remedy)
      return virtioFsPrivilege === 'auto'
        ? warning(
            `${error.rawMessage}: virtio_fs_privilege = "auto" makes virtiofsd root`,
            `Use Linux ${since} or later.`,
          )
        : judge(context, error)
    }
  },
})

const overlays = checkOf({
  name: 'mapped-overlays',
  since: '5.19',
  works: 'overlays of idmapped layers, for root file systems',
  perform: ({ host }) => host.probeMappedOverlay(),
  judge: (_, { rawMessage, remedy }) =>
    failed(
      `${rawMessage}: root file systems of containerd, Docker and \`run\` are refused, unless they are disks`,
      remedy,
    ),
})

const memory = checkOf({
  name: 'mapped-memory',
  since: '6.3',
  works: 'idmapped tmpfs, for volumes in memory',
  perform: ({ host }) => host.probeMappedMemory(),
  judge: ({ host, config }, { rawMessage }) => {
    const detail = `${rawMessage}: pods of Kubernetes with volumes in memory are refused, and nearly all have one, the token of their service account`
    const remedy =
      'Use Linux 6.3 or later. Or let virtiofsd be root: virtio_fs_privilege = "auto" or "root", in the configuration or in a pod’s annotation.'
    const isNode = host.stat(config.runtime.kubeletRootDir) !== undefined
    return isNode ? failed(detail, remedy) : warning(`${detail}; other containers are served`, remedy)
  },
})

export const idmapChecks: readonly Check[] = [overlays, memory]
