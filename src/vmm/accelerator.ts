/** KVM or TCG: decided by what this host really can, once per boot, kernel and QEMU. */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import type { Accelerator } from '../config/config.ts'
import { describeError, KataError } from '../errors.ts'
import { bootId } from '../linux/proc.ts'
import type { Logger } from '../log.ts'

/** What came of booting the actual guest with KVM. */
export interface ProbeOutcome {
  readonly works: boolean
  /** Why not, or what proved it. */
  readonly reason: string
}

export interface AcceleratorRequest {
  readonly configured: Accelerator
  /** The guest kernel and the VMM program: the answer holds for exactly these files. */
  readonly kernel: string
  readonly qemuPath: string
  /** `/run/kata-ts`: the answer is remembered here until the next host boot. */
  readonly runDir: string
  /** Boots the guest with KVM; called under `auto` only, and only when the quick signs do not decide. */
  readonly probe: () => Promise<ProbeOutcome>
  readonly log: Logger
  /** Default `/dev/kvm`. */
  readonly kvmDevice?: string
  /** Default `/proc/cpuinfo`. */
  readonly cpuinfo?: string
}

export interface AcceleratorChoice {
  readonly accelerator: 'kvm' | 'tcg'
  readonly reason: string
  /** For a person, when `auto` had to do without KVM and this was not said since the host started. */
  readonly warning?: string
}

/**
 * `tcg` and `kvm` are taken as asked for; `auto` is KVM if the guest really boots with it.
 *
 * @throws KataError KVM_UNUSABLE under `kvm` when a quick sign tells that it cannot work.
 */
export async function chooseAccelerator(request: AcceleratorRequest): Promise<AcceleratorChoice> {
  const { configured, log } = request
  if (configured === 'tcg') return { accelerator: 'tcg', reason: 'configured' }
  const obstacle = quickObstacle(request)
  if (configured === 'kvm') {
    if (obstacle?.certain) throw new KataError('KVM_UNUSABLE', { reason: obstacle.reason })
    return { accelerator: 'kvm', reason: 'configured' }
  }
  const key = memoryKey(request)
  const known = recall(request.runDir, key)
  if (known !== undefined) return known
  const outcome = obstacle ? { works: false, reason: obstacle.reason } : await attempt(request.probe)
  const choice: AcceleratorChoice = { accelerator: outcome.works ? 'kvm' : 'tcg', reason: outcome.reason }
  remember(request.runDir, key, choice, log)
  if (outcome.works) return choice
  const warning = `KVM cannot be used here (${outcome.reason}): the VM runs under TCG emulation, many times slower`
  log.warn(warning)
  return { ...choice, warning }
}

interface Obstacle {
  readonly reason: string
  /** No VM can be created at all; otherwise one can, but no guest will run well in it. */
  readonly certain: boolean
}

/** What tells without booting anything that KVM will not do. */
function quickObstacle(request: AcceleratorRequest): Obstacle | undefined {
  const { kvmDevice = '/dev/kvm', cpuinfo = '/proc/cpuinfo' } = request
  const stat = statSync(kvmDevice, { throwIfNoEntry: false })
  if (stat === undefined) return { reason: `${kvmDevice} does not exist`, certain: true }
  if (!stat.isCharacterDevice()) return { reason: `${kvmDevice} is not a device node`, certain: true }
  if (!hasVirtualization(cpuinfo)) return { reason: 'the CPU shows neither vmx nor svm', certain: false }
  return undefined
}

function hasVirtualization(cpuinfo: string): boolean {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync(cpuinfo, 'utf8'))?.[1] ?? ''
  return flags.split(' ').some((flag) => flag === 'vmx' || flag === 'svm')
}

/** A probe that could not even be tried counts as a no, with its reason. */
async function attempt(probe: () => Promise<ProbeOutcome>): Promise<ProbeOutcome> {
  try {
    return await probe()
  } catch (error) {
    return { works: false, reason: describeError(error) }
  }
}

/** The answer is void after a reboot or when one of the files or the device node changes. */
function memoryKey({ kernel, qemuPath, kvmDevice = '/dev/kvm' }: AcceleratorRequest): string {
  return [bootId(), ...[kernel, qemuPath, kvmDevice].map(fileIdentity)].join(' ')
}

function fileIdentity(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  // The node of a device is touched by udev now and then; who may open it is what counts.
  if (stat?.isCharacterDevice()) return `${path}:${stat.rdev}:${stat.gid}:${stat.mode}`
  return stat === undefined ? `${path}:none` : `${path}:${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`
}

const memoryPath = (runDir: string) => `${runDir}/accelerator.json`

/** What was found out before, or undefined: whatever is wrong with the file only costs another probe. */
function recall(runDir: string, key: string): AcceleratorChoice | undefined {
  try {
    const known = JSON.parse(readFileSync(memoryPath(runDir), 'utf8'))
    if (known.key !== key || typeof known.reason !== 'string') return undefined
    return { accelerator: known.accelerator === 'kvm' ? 'kvm' : 'tcg', reason: known.reason }
  } catch {
    return undefined
  }
}

function remember(
  runDir: string,
  key: string,
  { accelerator, reason }: AcceleratorChoice,
  log: Logger,
): void {
  const path = memoryPath(runDir)
  try {
    writeFileSync(`${path}.${process.pid}`, `${JSON.stringify({ key, accelerator, reason })}\n`, {
      mode: 0o600,
    })
    renameSync(`${path}.${process.pid}`, path)
  } catch (error) {
    log.warn('the accelerator found cannot be remembered', { path, error: describeError(error) })
  }
}
