/** The facts of the host that checks look at, behind one interface so that every outcome can be tested anywhere. */
import { accessSync, constants, lstatSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { arch, release } from 'node:os'
import type { Config, HypervisorConfig } from '../../config/config.ts'
import { hasOwnGuest } from '../../config/kata/own-guest.ts'
import { checkInitrd, checkKernel, requireImage, verifyImage } from '../../guest-image/guest-image.ts'
import { hasAcl } from '../../linux/acl.ts'
import { askProgram } from '../../linux/processes/ask-program.ts'
import { findTool } from '../../linux/processes/which.ts'
import { probeNetwork } from '../../network/probe.ts'
import { bundleOf } from '../../own-bundle.ts'
import { landlockProblem } from '../../rootless/filters/landlock.ts'
import { checkUidRange, checkUpperIds, type UidRange } from '../../rootless/identity/uid-range.ts'
import { leaseDir } from '../../sandbox/records/paths.ts'
import { probeMappedMemory, probeMappedOverlay } from '../../sharing/probe.ts'
import { forecastMachineAccelerator } from '../../vmm/create.ts'
import { resolveAssets } from '../../vmm/host/assets.ts'
import type { AcceleratorForecast } from '../../vmm/kvm/accelerator.ts'

export interface FileFacts {
  readonly kind: 'file' | 'directory' | 'character-device' | 'other'
  readonly uid: number
  readonly gid: number
  /** Permission bits. */
  readonly mode: number
  /** Whether it has an access list, which makes the group's bits a mask. Absent: no. */
  readonly hasAcl?: boolean
}

export interface CommandOutput {
  /** Exit code; 128 + n after signal n; -1 when it could not be started. */
  readonly code: number
  /** stdout and stderr, or why it could not be started. */
  readonly text: string
}

export interface HostProbe {
  uid(): number
  /** `x64`, `arm64` and so on, as Node names them. */
  architecture(): string
  /** `uname -r`. */
  kernelRelease(): string
  /** Whether kata-ts brings the programs that it starts. */
  isBundle(): boolean
  /** A file's text; undefined when it cannot be read. */
  readText(path: string): string | undefined
  /** Names in a directory; none when it cannot be read. */
  list(path: string): readonly string[]
  /** Facts of the path itself, without following a symbolic link; undefined when it does not exist. */
  stat(path: string): FileFacts | undefined
  /** Asked of the kernel, so a read-only mount counts. */
  isWritable(path: string): boolean
  isExecutable(path: string): boolean
  /** Bytes free for root; undefined when the path does not exist. */
  freeBytes(path: string): number | undefined
  /** Absolute path of a system tool. */
  findTool(name: string): string | undefined
  /** Runs a short command with a deadline of ten seconds. */
  run(argv: readonly string[]): Promise<CommandOutput>
  /** The same for a program that only answers a question: it runs as the user nobody. */
  ask(argv: readonly string[]): Promise<CommandOutput>
  /** Undefined when a program that is restricted is really refused. */
  landlockProblem(): Promise<string | undefined>
  /** Tries the steps that connect a pod to its machine. @throws KataError NETWORK_*, SYSCALL_FAILED. */
  probeNetwork(): void
  /** Tries to idmap a file system in memory. @throws KataError SHARE_NOT_IDMAPPABLE; others when it cannot be tried. */
  probeMappedMemory(): Promise<void>
  /** Tries an overlay of idmapped layers. @throws KataError SHARE_MOUNT_FAILED, SHARE_NOT_IDMAPPABLE; others when it cannot be tried. */
  probeMappedOverlay(): Promise<void>
  /** @throws KataError UID_RANGE_INVALID, UID_RANGE_OVERLAP. */
  checkUidRange(range: UidRange): void
  /** @throws KataError UPPER_IDS_TAKEN. */
  checkUpperIds(): void
  /** The accelerator of machines, as far as it is known without booting one. */
  accelerator(config: Config): AcceleratorForecast
  /** The image that would be used, in words, after comparing its checksums. @throws KataError IMAGE_*. */
  verifyImage(hypervisor: HypervisorConfig): Promise<string>
}

/** The host this process runs on. */
export function hostProbe(): HostProbe {
  return {
    uid: () => process.getuid?.() ?? -1,
    architecture: arch,
    kernelRelease: release,
    isBundle: () => bundleOf(process.execPath) !== undefined,
    readText: (path) => attempt(() => readFileSync(path, 'utf8')),
    list: (path) => attempt(() => readdirSync(path)) ?? [],
    stat: (path) => attempt(() => fileFacts(path)),
    isWritable: (path) => canAccess(path, constants.W_OK),
    isExecutable: (path) => canAccess(path, constants.X_OK),
    freeBytes: (path) =>
      attempt(() => {
        const { bfree, bsize } = statfsSync(path)
        return bfree * bsize
      }),
    findTool,
    run: runCommand,
    ask: async (argv) => {
      try {
        const { code, stdout, stderr } = await askProgram(argv, 10_000)
        return { code, text: stdout + stderr }
      } catch (error) {
        return { code: -1, text: String(error) }
      }
    },
    landlockProblem,
    probeNetwork,
    probeMappedMemory: () => probeMappedMemory(),
    probeMappedOverlay: () => probeMappedOverlay(),
    checkUidRange,
    checkUpperIds,
    accelerator: (config) => {
      const kernel = attempt(() => resolveAssets(config).kernel) ?? ''
      return forecastMachineAccelerator({ config, kernel, runDir: leaseDir })
    },
    verifyImage: verifyConfiguredImage,
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

const canAccess = (path: string, mode: number) =>
  attempt(() => {
    accessSync(path, mode)
    return true
  }) ?? false

function fileFacts(path: string): FileFacts {
  const stat = lstatSync(path)
  const kind = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : stat.isCharacterDevice()
        ? 'character-device'
        : 'other'
  return {
    kind,
    uid: stat.uid,
    gid: stat.gid,
    mode: stat.mode & 0o7777,
    hasAcl: !stat.isSymbolicLink() && hasAcl(path),
  }
}

async function runCommand(argv: readonly string[]): Promise<CommandOutput> {
  try {
    const child = Bun.spawn([...argv], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      timeout: 10_000,
      killSignal: 'SIGKILL',
    })
    const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
    return { code, text: stdout + stderr }
  } catch (error) {
    return { code: -1, text: String(error) }
  }
}

async function verifyConfiguredImage(hypervisor: HypervisorConfig): Promise<string> {
  const { kernel, initrd, image } = hypervisor
  const own = [kernel, initrd || image].filter((path) => path !== '')
  if (kernel !== '') checkKernel(kernel)
  if (initrd !== '') checkInitrd(initrd)
  const itsAgent = '; who its agent is, `kata-ts inspect` says of a sandbox that runs'
  if (own.length === 2) return own.join(' and ') + itsAgent
  const built = requireImage()
  await verifyImage(built)
  const found = [`image ${built.id}, checksums match`, ...own].join(', and ')
  if (hasOwnGuest(hypervisor)) return found + itsAgent
  return `${found}; the agent of kata-ts ${built.manifest.agentVersion ?? 'of an earlier build'}`
}
