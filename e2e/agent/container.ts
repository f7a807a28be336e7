/** Containers as a test asks the agent for them, and their output as text. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Device, Storage } from '../../src/protocol/generated/agent.ts'
import type { Mount, Process, Spec } from '../../src/protocol/generated/oci.ts'
import type { AgentClient, Guest } from './guest.ts'
import { guestShare, makeRootfs } from './guest.ts'

/** Docker's default capabilities, shortened. */
const capabilities = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_SETGID', 'CAP_SETUID', 'CAP_KILL']

export interface ContainerOptions {
  readonly args: readonly string[]
  readonly env?: readonly string[]
  readonly cwd?: string
  readonly user?: { uid: number; gid: number }
  readonly umask?: number
  readonly terminal?: boolean
  readonly readonlyRoot?: boolean
  readonly memoryLimit?: bigint
  readonly pidsLimit?: bigint
  /** Files of its cgroup. */
  readonly unified?: Readonly<Record<string, string>>
  readonly hugepageLimits?: readonly { readonly pagesize: string; readonly limit: bigint }[]
  readonly sysctl?: Readonly<Record<string, string>>
  /** Forbid mount(2). */
  readonly seccomp?: boolean
  readonly mounts?: readonly Mount[]
  readonly sandboxPidns?: boolean
  /** Beside those of every container. */
  readonly capabilities?: readonly string[]
  /** Namespaces beside those of every container. */
  readonly namespaces?: readonly string[]
  readonly storages?: readonly Partial<Storage>[]
  readonly devices?: readonly Partial<Device>[]
}

/** Makes rootfs and container; it is not started. */
export async function createContainer(guest: Guest, id: string, options: ContainerOptions): Promise<void> {
  if (!existsSync(join(guest.share, id))) makeRootfs(guest.share, id)
  await guest.agent.createContainer({
    containerId: id,
    execId: id,
    oci: spec(id, options) as Spec,
    sandboxPidns: options.sandboxPidns ?? false,
    storages: [...(options.storages ?? [])],
    devices: [...(options.devices ?? [])],
  })
}

/** Makes it, starts it, and gives all that came of it. */
export async function runContainer(guest: Guest, id: string, options: ContainerOptions) {
  await createContainer(guest, id, options)
  await guest.agent.startContainer({ containerId: id })
  await guest.agent.closeStdin({ containerId: id })
  return finish(guest, id)
}

/** Reads both outputs to their end, waits, and removes the container. */
export async function finish(guest: Guest, id: string) {
  const result = await outcome(guest, id)
  await guest.agent.removeContainer({ containerId: id })
  return result
}

export async function outcome(guest: Guest, id: string, execId = '') {
  const [stdout, stderr] = await Promise.all([
    readAll(guest.agent.readStdout, id, execId),
    readAll(guest.agent.readStderr, id, execId),
  ])
  // The answer closes what was not read.
  const { status } = await guest.agent.waitProcess({ containerId: id, execId })
  return { stdout: stdout.toString(), stderr: stderr.toString(), status }
}

/** A stream to its end. */
export async function readAll(read: AgentClient['readStdout'], id: string, execId = ''): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (;;) {
    const { data } = await read({ containerId: id, execId, len: 65_536 })
    if (data.length === 0) return Buffer.concat(chunks)
    chunks.push(data)
  }
}

export async function exec(
  guest: Guest,
  id: string,
  execId: string,
  args: readonly string[],
  terminal = false,
  umask?: number,
) {
  const options = { args, terminal, ...(umask !== undefined && { umask }) }
  await guest.agent.execProcess({ containerId: id, execId, process: process(options) })
}

function process({ args, env, cwd, user, umask, terminal, ...more }: ContainerOptions): Process {
  const all = [...capabilities, ...(more.capabilities ?? [])]
  const limits = { bounding: all, effective: all, permitted: all }
  return {
    terminal: terminal ?? false,
    user: { uid: user?.uid ?? 0, gid: user?.gid ?? 0, additionalGids: [], username: '', umask },
    args: [...args],
    env: ['PATH=/bin', ...(env ?? [])],
    cwd: cwd ?? '/',
    capabilities: { ...limits, inheritable: [], ambient: [] },
    noNewPrivileges: true,
  } as unknown as Process
}

function spec(id: string, options: ContainerOptions) {
  const { readonlyRoot = false, memoryLimit, pidsLimit, seccomp = false, mounts = [] } = options
  const mount = (destination: string, type: string, ...words: string[]) => ({
    destination,
    type,
    source: type,
    options: words,
  })
  return {
    version: '1.0.2',
    process: process(options),
    root: { path: `${guestShare}/${id}/rootfs`, readonly: readonlyRoot },
    hostname: 'guest-test',
    mounts: [
      mount('/proc', 'proc', 'nosuid', 'noexec', 'nodev'),
      mount('/dev', 'tmpfs', 'nosuid', 'strictatime', 'mode=755', 'size=65536k'),
      mount('/dev/pts', 'devpts', 'nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'),
      mount('/sys', 'sysfs', 'nosuid', 'noexec', 'nodev', 'ro'),
      mount('/sys/fs/cgroup', 'cgroup', 'nosuid', 'noexec', 'nodev', 'ro'),
      {
        destination: '/dev/shm',
        type: 'bind',
        source: '/run/kata-containers/sandbox/shm',
        options: ['rbind'],
      },
      ...mounts,
    ],
    linux: {
      sysctl: { ...options.sysctl },
      namespaces: ['ipc', 'uts', 'mount', ...(options.namespaces ?? [])].map((type) => ({ type, path: '' })),
      resources: {
        memory: memoryLimit === undefined ? undefined : { limit: memoryLimit },
        pids: pidsLimit === undefined ? undefined : { limit: pidsLimit },
        unified: { ...options.unified },
        hugepageLimits: options.hugepageLimits ?? [],
      },
      seccomp: seccomp
        ? {
            defaultAction: 'SCMP_ACT_ALLOW',
            architectures: ['SCMP_ARCH_X86_64'],
            flags: [],
            syscalls: [{ names: ['mount'], action: 'SCMP_ACT_ERRNO', errnoRet: 13, args: [] }],
          }
        : undefined,
      maskedPaths: ['/proc/kcore', '/sys/firmware'],
      readonlyPaths: ['/proc/sys'],
    },
  }
}
