/**
 * The pod as CRI describes it to the Sandbox service (runtime.v1.PodSandboxConfig), in the words of the specification that its
 * sandbox container has where there is one (containerd's internal/cri/server/podsandbox). All that makes a machine of that
 * specification serves here too.
 */
import { describeError, KataError } from '../../errors.ts'
import { isIdentifier } from '../../identifier.ts'
import { usualSysctls } from '../../oci/defaults/usual-sysctls.ts'
import { parseSpecText } from '../../oci/read-spec.ts'
import type { OciSpec } from '../../oci/spec.ts'
import { checkSpecLimits } from '../../oci/spec-limits.ts'
import type { CreateSandboxRequest } from '../../protocol/generated/containerd/sandbox.ts'
import {
  type LinuxPodSandboxConfig,
  type LinuxSandboxSecurityContext,
  NamespaceMode,
  PodSandboxConfig,
} from '../../protocol/generated/cri/runtime.ts'

const configTypeUrl = 'runtime.v1.PodSandboxConfig'
/** The only annotations of a pod that are meant for us. Another one could pass for what containerd says. */
const ours = 'io.katacontainers.'

/**
 * What the request says of the pod; without options that is nothing.
 *
 * @throws KataError SANDBOX_REQUEST.
 */
export function readPodConfig({ sandboxId: id, options, rootfs }: CreateSandboxRequest): PodSandboxConfig {
  const refused = (problem: string, cause?: unknown) =>
    new KataError('SANDBOX_REQUEST', { id, problem }, { cause })
  if (!isIdentifier(id)) throw refused('its name is no identifier')
  if (rootfs.length > 0) throw refused('it has a root file system, and the machine brings its own')
  if (options === undefined || options.typeUrl === '') return PodSandboxConfig.fromPartial({})
  if (options.typeUrl !== configTypeUrl)
    throw refused(`its options are ${options.typeUrl}, not ${configTypeUrl}`)
  try {
    return PodSandboxConfig.decode(options.value)
  } catch (cause) {
    throw refused(`its options cannot be read: ${describeError(cause)}`, cause)
  }
}

/**
 * The specification that stands for the pod. `root` is a directory, because every specification has one: nothing runs in it.
 *
 * @throws KataError NETNS_HOST, SPEC_USER_NAMESPACE, SPEC_LIMIT, SPEC_PATH, OCI_SPEC_INVALID.
 */
export function podSpec(
  { sandboxId: id, netnsPath, annotations: told }: CreateSandboxRequest,
  config: PodSandboxConfig,
  files: { readonly root: string; readonly resolvConf: string },
): OciSpec {
  const { hostname, annotations, linux } = config
  const { network, usernsOptions } = linux?.securityContext?.namespaceOptions ?? {}
  if (usernsOptions?.mode === NamespaceMode.POD) throw new KataError('SPEC_USER_NAMESPACE', { container: id })
  if (network === NamespaceMode.NODE) throw new KataError('NETNS_HOST', { how: 'its config says so' })
  const spec: OciSpec = {
    root: { path: files.root, readonly: true },
    process: { user: user(linux?.securityContext) },
    hostname,
    annotations: { ...forUs({ ...annotations, ...told }), ...announcement(id, config) },
    mounts: [
      { destination: '/etc/resolv.conf', source: files.resolvConf, type: 'bind', options: ['rbind', 'ro'] },
    ],
    linux: {
      ...cgroup(linux, id),
      // containerd has these by default, but writes them into the specification of a sandbox container only, and does not tell whether it would.
      sysctl: { ...usualSysctls, ...linux?.sysctls },
      namespaces: [{ type: 'network', ...(netnsPath === '' ? {} : { path: netnsPath }) }],
    },
  }
  const read = parseSpecText(JSON.stringify(spec))
  checkSpecLimits(read, id)
  return read
}

function forUs(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => name.startsWith(ours)))
}

/** What containerd's CRI plugin says of the pod in annotations of its sandbox container. */
function announcement(id: string, { metadata, linux }: PodSandboxConfig): Record<string, string> {
  const { cpuQuota = 0n, cpuPeriod = 0n, cpuShares = 0n, memoryLimitInBytes = 0n } = linux?.resources ?? {}
  return {
    'io.kubernetes.cri.container-type': 'sandbox',
    'io.kubernetes.cri.sandbox-id': id,
    'io.kubernetes.cri.sandbox-name': metadata?.name ?? '',
    'io.kubernetes.cri.sandbox-namespace': metadata?.namespace ?? '',
    'io.kubernetes.cri.sandbox-uid': metadata?.uid ?? '',
    'io.kubernetes.cri.sandbox-cpu-quota': String(cpuQuota),
    'io.kubernetes.cri.sandbox-cpu-period': String(cpuPeriod),
    'io.kubernetes.cri.sandbox-cpu-shares': String(cpuShares),
    'io.kubernetes.cri.sandbox-memory': String(memoryLimitInBytes),
  }
}

/** Whichever users the pod's processes have, the share has room for their ids from the start. */
function user(context: LinuxSandboxSecurityContext | undefined) {
  const { runAsUser, runAsGroup, supplementalGroups = [] } = context ?? {}
  return {
    uid: Number(runAsUser?.value ?? 0),
    gid: Number(runAsGroup?.value ?? 0),
    additionalGids: supplementalGroups.map(Number),
  }
}

/** Below the pod's cgroup: a directory, or for systemd a scope in the pod's slice (`slice:prefix:name`). */
function cgroup(linux: LinuxPodSandboxConfig | undefined, id: string): { cgroupsPath?: string } {
  const { cgroupParent = '' } = linux ?? {}
  if (cgroupParent === '') return {}
  const slice = /([^/]+\.slice)\/?$/.exec(cgroupParent)?.[1]
  return { cgroupsPath: slice === undefined ? `${cgroupParent}/${id}` : `${slice}:cri-containerd:${id}` }
}
