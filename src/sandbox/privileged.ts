/**
 * Whether a container is privileged. The specification has no word for it: a client either lets the container use every
 * device, or, as containerd with `privileged_without_host_devices`, takes every fence away and says nothing of devices.
 * In a virtual machine both mean the same: the guest is the container's.
 */
import { allowsEveryDevice } from './char-devices.ts'
import type { OciSpec } from './oci.ts'

/** Who holds these is the master of the kernel that it runs on, with or without its device nodes. */
const masterful = ['CAP_SYS_ADMIN', 'CAP_SYS_MODULE', 'CAP_SYS_RAWIO', 'CAP_MKNOD']

/** The spec with the right to every device, if the container is privileged; otherwise as it is. */
export function withEveryDevice(spec: OciSpec): OciSpec {
  const { linux = {} } = spec
  if (allowsEveryDevice(linux.resources?.devices) || !isUnfenced(spec)) return spec
  const resources = { ...linux.resources, devices: [{ allow: true, access: 'rwm' }] }
  return { ...spec, linux: { ...linux, resources } }
}

function isUnfenced({ linux = {}, process = {}, mounts = [] }: OciSpec): boolean {
  const { bounding = [] } = (process.capabilities ?? {}) as { bounding?: readonly string[] }
  const sysfs = mounts.find(({ type }) => type === 'sysfs')
  return (
    masterful.every((name) => bounding.includes(name)) &&
    linux.seccomp === undefined &&
    isEmpty(linux.maskedPaths) &&
    isEmpty(linux.readonlyPaths) &&
    sysfs !== undefined &&
    !sysfs.options?.includes('ro')
  )
}

const isEmpty = (list: unknown) => !Array.isArray(list) || list.length === 0
