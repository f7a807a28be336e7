/** The guest agent. */
import { entry } from './entry.ts'

export const agentErrors = () => ({
  GUEST_BUILD_TOOL: entry(
    'failed_precondition',
    "cannot build the guest's programs: there is no program {program}",
    'Install the compilers: apt-get install gcc libc6-dev quickjs libquickjs.',
  ),
  GUEST_BUILD_FAILED: entry(
    'internal',
    "building the guest's programs failed at {step}: {output}",
    'Check that gcc, libc6-dev, quickjs and libquickjs are those of Debian 13, then run the build again.',
  ),
  AGENT_UNREACHABLE: entry(
    'deadline_exceeded',
    'the guest agent behind {endpoint} did not answer within {seconds} s ({reason})',
    'Look at the guest console in the report or log: the guest may not have booted, or its image may have no agent. On a slow host, raise dial_timeout.',
  ),
  AGENT_DIED: entry(
    'unavailable',
    'the connection to the guest agent behind {endpoint} is gone ({reason})',
    'The machine or its agent ended; the log and the end of the console say why. Remove the container and run it again.',
  ),
  AGENT_NOT_READY: entry(
    'failed_precondition',
    'the guest agent behind {endpoint} was called before it answered',
    'Wait until the sandbox is running.',
  ),
  GUEST_SETUP_TIMEOUT: entry(
    'deadline_exceeded',
    'the guest of sandbox {sandbox} answers, but did not {doing} within {seconds} s; its console ends with: {tail}',
    'A file system or a kernel module blocks the guest; its console may say which. On a slow host, raise create_container_timeout.',
  ),
  AGENT_TIMEOUT: entry(
    'deadline_exceeded',
    'a call to the guest agent took too long ({reason})',
    'The host has no processor time for the machine, or something in the guest hangs: check the load of the host and the console of the guest, then try again.',
  ),
  AGENT_MISBEHAVED: entry(
    'internal',
    'the guest agent broke the protocol in its answer to {method}: {reason}',
    'Do not trust this guest: stop the sandbox. If you built the guest image yourself, check its agent.',
  ),
  GUEST_REFUSED: entry(
    'internal',
    'the guest refused a request ({reason})',
    'The reason comes from the agent in the machine or from its crun: correct what it names. If it names nothing of yours, check the log of the shim and the console of the guest.',
  ),
  COMMAND_NOT_FOUND: entry(
    'not_found',
    '{command}: executable file not found in the container ({reason})',
    'Check the spelling, the PATH of the container, and that the interpreter of a script or program is there too.',
  ),
  COMMAND_NOT_EXECUTABLE: entry(
    'failed_precondition',
    '{command} in the container cannot be executed: permission denied ({reason})',
    'Check its mode (`chmod +x`), and that it is a program for x86-64 Linux.',
  ),
  WORKDIR_INVALID: entry(
    'invalid_argument',
    'the working directory of {command} cannot be entered in the container ({reason})',
    'Name a directory that exists there.',
  ),
  MOUNT_KIND: entry(
    'invalid_argument',
    'the container of {command} has a file where a directory is to be mounted, or a directory where a file is ({reason})',
    'Mount files on files and directories on directories. A single file of a volume is mounted by a subPath, with the name of the file in mountPath.',
  ),
  SYSCTL_REFUSED: entry(
    'invalid_argument',
    'the guest refuses a kernel parameter of the container ({reason})',
    'Check its name and value: it is set in the kernel of the guest, not in that of the host.',
  ),
  MEMORY_LIMIT_TOO_LOW: entry(
    'invalid_argument',
    'the memory limit of the container is too low to start {command} ({reason})',
    'Raise it: the runtime needs a few hundred kilobytes of it before the program runs. 6 MiB, the minimum of Docker and `kata-ts run`, is enough.',
  ),
  MEMORY_LIMIT_IN_USE: entry(
    'failed_precondition',
    'the memory limit of container {container} was not changed: it uses {used} bytes, and the new limit is {limit}',
    'Set a limit above that, or make it use less first: otherwise the kernel would kill its processes.',
  ),
  AGENT_NO_SECCOMP: entry(
    'failed_precondition',
    'container {container} has a seccomp profile, and {agent} in the guest cannot apply one',
    'Use an agent that was built with seccomp, or run without the profile: `disable_guest_seccomp = true` for all containers, `seccompProfile: Unconfined` or `--security-opt seccomp=unconfined` for one.',
  ),
  SECCOMP_NOTIFY: entry(
    'failed_precondition',
    'container {container} has a seccomp profile with SCMP_ACT_NOTIFY: the program that would answer is on the host, and no container of a machine reaches it',
    'Use a profile that allows or denies these calls itself.',
  ),
  AGENT_NO_TARGET: entry(
    'failed_precondition',
    'container {container} is to see the processes of container {target}, and {agent} in the guest cannot show them',
    'Use the guest image of kata-ts, or let the whole pod share its processes (`shareProcessNamespace: true`).',
  ),
  AGENT_NO_PIDS_LIMIT: entry(
    'failed_precondition',
    'container {container} has a limit of {limit} processes, and {agent} in the guest did not set it',
    'Remove the limit, or use the guest of `kata-ts guest build`.',
  ),
  AGENT_NO_SUBPATH: entry(
    'failed_precondition',
    'container {container} mounts a part of a volume in memory (subPath), which {agent} in the guest cannot mount',
    'Mount the whole volume, or an emptyDir on disk; or use the guest of `kata-ts guest build`.',
  ),
  SECCOMP_PROFILE: entry(
    'invalid_argument',
    'seccomp profile {path} cannot be used: {reason}',
    'Give a JSON file as docker and Kubernetes use it: defaultAction, and syscalls with names and action.',
  ),
  MOUNT_TYPE: entry(
    'invalid_argument',
    'mount {destination} of container {container} has the type {type}, which the guest cannot mount',
    'Mount it on the host, and bind-mount that directory. The guest itself mounts proc, sysfs, tmpfs, devpts, mqueue and cgroup.',
  ),
  MOUNT_ON_PROC: entry(
    'invalid_argument',
    'container {container} mounts something at {destination}, where the kernel’s own /proc is',
    'Mount it elsewhere. At /proc, mount a proc file system only; below it, only files that LXCFS replaces, such as /proc/meminfo.',
  ),
  MOUNT_PROPAGATION: entry(
    'invalid_argument',
    'mount {destination} of container {container} asks for {propagation} propagation (Bidirectional): what a virtual machine mounts cannot appear on the host',
    'Use HostToContainer (rslave), with which later mounts of the host appear in the container, or no propagation.',
  ),
  DEVICE_UNSUPPORTED: entry(
    'invalid_argument',
    'device {path} ({device}) of container {container} belongs to the host’s kernel: its number means nothing in the guest',
    'Remove it, or make the container privileged: it then gets every device of its own virtual machine, and none of the host. To hand over a whole PCI device, bind it to vfio-pci and ask for its /dev/vfio/GROUP.',
  ),
  SPEC_LIMIT: entry(
    'invalid_argument',
    'container {container} asks for {count} {what}; the limit is {limit}',
    'Ask for fewer; for instance, put files into one volume instead of mounting each of them.',
  ),
  SPEC_PATH: entry(
    'invalid_argument',
    'container {container} has a {what} that cannot be used: {path}',
    'Use an absolute path of at most 4095 bytes without NUL.',
  ),
  PID_NAMESPACE_FOREIGN: entry(
    'invalid_argument',
    'container {container} asks for the pid namespace {path}, which belongs to no container of its pod',
    'Name a running container of the same pod (`kubectl debug --target`): processes of the host and of other machines cannot be shared.',
  ),
  SPEC_USER_NAMESPACE: entry(
    'unimplemented',
    'container {container} asks for a user namespace of the host, whose ids do not exist in the guest',
    'Omit it (hostUsers: false, userns-remap): the container’s root is root in a virtual machine only.',
  ),
  OCI_SPEC_INVALID: entry(
    'invalid_argument',
    'the OCI specification is invalid: {path}: expected {expected}, is {found}',
    'Correct the config.json of the bundle, or report it to the tool that wrote it.',
  ),
})
