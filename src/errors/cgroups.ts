/** Cgroups of the host. */
import { entry } from './entry.ts'

export const cgroupsErrors = () => ({
  CGROUP_PATH_INVALID: entry(
    'invalid_argument',
    'the cgroups path {path} of the container is invalid',
    'Correct it in the client that started the container: a plain path, or slice:prefix:name, without "..".',
  ),
  CGROUP_UNUSABLE: entry(
    'failed_precondition',
    'cgroup {path} cannot be used: {reason}',
    'Mount the cgroup file systems writable at /sys/fs/cgroup; with sandbox_cgroup_only = false the sandbox starts without cgroups.',
  ),
  CPUSET_INVALID: entry(
    'invalid_argument',
    'the list of processors or memory nodes {list} is invalid',
    'Give numbers and ranges that the host has, such as 0-3,7.',
  ),
  CGROUP_STAYS: entry(
    'unavailable',
    'cgroup {path} cannot be removed: processes {pids} are in it',
    'End these processes or move them to another cgroup, then run `kata-ts gc`.',
  ),
  CGROUP_MEMORY_TOO_SMALL: entry(
    'resource_exhausted',
    'cgroup {path} allows {limitMiB} MiB of memory, and a virtual machine does not start with less than {leastMiB} MiB',
    "Raise the pod's memory limits or the overhead of its RuntimeClass, or set sandbox_cgroup_only = false, with which the machine counts outside the pod.",
  ),
  CGROUP_OUT_OF_MEMORY: entry(
    'resource_exhausted',
    'the host ended the machine of sandbox {sandbox}, because {path} had no more than {limitMiB} MiB of memory',
    "Raise the pod's memory limits or the overhead of its RuntimeClass by the machine's own memory (default_memory), or lower default_memory. A limit on a cgroup of the sandbox's own (kata_...) is the runtime's, above what a guest can need.",
  ),
})
