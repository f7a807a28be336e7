/** packaging/kubernetes/pods: for each annotation that has an effect, a pod that uses it. */
import { annotationPrefixes, readAnnotationName } from '../../src/config/kata/annotation-names.ts'
import { type KeySpec, keys } from '../../src/config/keys.ts'
import { wrap } from './text.ts'

/** A value for each annotation that the host of a reader most likely takes, by the annotation's name. */
const exampleValues: Readonly<Record<string, string>> = {
  path: '/usr/bin/qemu-system-x86_64',
  jailer_path: '/usr/bin/jailer',
  kernel: '/opt/guest/vmlinux',
  initrd: '/opt/guest/initrd',
  image: '/opt/guest/rootfs.img',
  kernel_params: 'loglevel=7 transparent_hugepage=never',
  machine_type: 'q35',
  cpu_features: 'pmu=off',
  entropy_source: '/dev/urandom',
  rootless: 'true',
  default_vcpus: '2',
  default_max_vcpus: '2',
  default_memory: '512',
  memory_slots: '4',
  enable_virtio_mem: 'true',
  enable_mem_prealloc: 'true',
  enable_hugepages: 'true',
  reclaim_guest_freed_memory: 'true',
  pcie_root_port: '8',
  disable_block_device_use: 'true',
  block_device_driver: 'virtio-blk',
  enable_tpm: 'true',
  block_device_aio: 'threads',
  block_device_cache_set: 'true',
  block_device_cache_direct: 'true',
  block_device_cache_noflush: 'true',
  hot_plug_vfio: 'root-port',
  cold_plug_vfio: 'root-port',
  disable_vhost_net: 'true',
  network_queues: '2',
  shared_fs: 'virtio-fs',
  virtio_fs_daemon: '/usr/libexec/virtiofsd',
  virtio_fs_privilege: 'unprivileged',
  virtio_fs_nosuid: 'true',
  virtio_fs_suid_volumes: '["/srv/scratch"]',
  virtio_fs_cache: 'never',
  virtio_fs_extra_args: '["--xattr"]',
  kernel_modules: 'loop; dummy numdummies=1',
  disable_guest_seccomp: 'false',
  create_container_timeout: '120',
  internetworking_model: 'none',
  sandbox_cgroup_only: 'true',
}

/** The file of an annotation's example. */
const fileOf = (annotation: string) => `packaging/kubernetes/pods/${annotation.replaceAll('_', '-')}.yaml`

/** Their texts by their paths from the repository's root. */
export function examplePods(): Readonly<Record<string, string>> {
  const shown = keys.filter(({ annotation, pending }) => annotation !== undefined && !pending)
  return Object.fromEntries(shown.map((spec) => [fileOf(spec.annotation!), examplePod(spec)]))
}

function examplePod(spec: KeySpec): string {
  const { table, key, description, drivers } = spec
  const annotation = spec.annotation!
  const value = exampleValues[annotation]
  if (value === undefined)
    throw new Error(`setup/pages/example-pods.ts has no example value for ${annotation}`)
  const name = annotationPrefixes[table] + annotation
  const comment = [`\`${key}\`: ${description}`, permission(spec, name, value)].flatMap((text) =>
    wrap(text, 108),
  )
  return `${comment.map((line) => `# ${line}`).join('\n')}
# Generated from src/config/keys by \`npm run docs\`: change it there.
apiVersion: v1
kind: Pod
metadata:
  name: kata-ts-${annotation.replaceAll('_', '-')}
  annotations:
    ${name}: ${value.includes('"') ? `'${value}'` : `"${value}"`}
spec:
  runtimeClassName: ${drivers.includes('qemu') ? 'kata-ts' : 'kata-ts-fc'}
  containers:
    - name: main
      image: busybox:1.37
      command: ["sleep", "infinity"]
`
}

/** What an operator has to write before a pod may do this. */
function permission({ allowList, restricting }: KeySpec, name: string, value: string): string {
  if (restricting !== undefined && String(restricting) === value)
    return 'Needs no permission: it takes rights away.'
  const { entry } = readAnnotationName(name)!
  const listed = allowList === undefined ? '' : ` and ${allowList.key} = ["${value}"]`
  return `Works when the operator has set enable_annotations = ["${entry}"]${listed}.`
}
