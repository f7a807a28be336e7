/**
 * Starts Firecracker by its jailer, in namespaces of its own.
 *
 * The jailer leaves Firecracker to itself (`--new-pid-ns`): nobody would wait for it, and nothing would end it when we die.
 * So all of it happens in a pid namespace around, whose first process dies with us, and the kernel then ends everything in
 * there. That process never waits for anybody, so that how Firecracker ended can still be read.
 */
import { constants } from 'node:os'
import { KataError } from '../../errors.ts'
import { type Capability, capabilityMask } from '../../linux/capabilities.ts'
import { childrenOf, isAlive, type ProcessRef, processRef, zombieStatus } from '../../linux/proc.ts'
import { findTool, toolDirectories } from '../../linux/which.ts'
import type { LaunchOptions } from '../../rootless/jail.ts'
import { jailLimits } from '../../rootless/jail-command.ts'
import type { ExitInfo, LaunchedProcess } from '../../rootless/launch-spec.ts'

/** What the jailer's work takes; Firecracker has none of them, but they stay in its bounding set. */
const jailerCapabilities: readonly Capability[] = [
  'chown',
  'dac_override',
  'mknod',
  'setgid',
  'setuid',
  'sys_admin',
  'sys_chroot',
]

/** As the kernel shows the bounding set of what the jailer starts. */
export const jailerBoundingSet = capabilityMask(jailerCapabilities).toString(16).padStart(16, '0')

/** How long it may take until Firecracker runs, milliseconds. */
const startMs = 10_000
/** How often it is looked at when nothing else tells of its end, milliseconds. */
const lookMs = 250

/**
 * Runs as root in the new namespaces, as their first process. Descriptor 3 is Firecracker's stdout, 4 its stderr. The line
 * `jailed` on our own stderr tells that the jailer has done its work.
 */
const script = `
set -eu
sleep=$1
shift
ulimit -c ${jailLimits.core}
ulimit -p ${jailLimits.nproc}
echo kata > /proc/sys/kernel/hostname
cd /
"$@" >&3 2>&4 3>&- 4>&-
echo jailed >&2
exec "$sleep" infinity >/dev/null 2>&1 3>&- 4>&-
`

export interface JailerLaunch {
  readonly jailer: string
  readonly args: readonly string[]
  /** Descriptors for Firecracker's own output. */
  readonly stdout: number
  readonly stderr: number
}

export interface JailedFirecracker extends LaunchedProcess {
  /** Has it looked at now: something of it has ended. */
  look(): void
}

/** @throws KataError JAIL_TOOL_MISSING, JAIL_FAILED with what jailer or Firecracker said; nothing runs then. */
export async function launchByJailer(
  launch: JailerLaunch,
  { signal, said, timeoutMs = startMs }: LaunchOptions,
): Promise<JailedFirecracker> {
  signal?.throwIfAborted()
  const child = Bun.spawn({
    cmd: command(launch),
    cwd: '/',
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', launch.stdout, launch.stderr],
    detached: true,
  })
  const around = processRef(child.pid)
  const kill = () => child.kill('SIGKILL')
  const timer = setTimeout(kill, timeoutMs)
  signal?.addEventListener('abort', kill)
  try {
    const complaints = await untilJailed(child.stderr)
    const ref = around && firecrackerIn(around)
    if (ref !== undefined) return watched(ref, child)
    kill()
    await child.exited
    signal?.throwIfAborted()
    const detail = `${complaints}${(await said?.()) ?? ''}`.trim().slice(-500) || 'it said nothing'
    const exit = child.signalCode ?? `exit code ${child.exitCode}`
    throw new KataError('JAIL_FAILED', { program: launch.jailer, step: 'jailer', exit, detail })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', kill)
  }
}

/** What was said until the jailer has done its work, or until all of it is over. */
async function untilJailed(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of stderr) {
    text += decoder.decode(chunk, { stream: true })
    if (/^jailed$/m.test(text)) break
  }
  return text.replace(/^jailed\n/m, '')
}

function command({ jailer, args }: JailerLaunch): string[] {
  const bounding = jailerCapabilities.map((name) => `+${name}`).join(',')
  return [
    ...[tool('setpriv'), '--pdeathsig', 'KILL', '--no-new-privs', '--inh-caps=-all', '--ambient-caps=-all'],
    ...[`--bounding-set=-all,${bounding}`, '--clear-groups', '--'],
    ...[tool('unshare'), '--pid', '--fork', '--kill-child', '--net', '--ipc', '--uts', '--'],
    ...[tool('sh'), '-c', script, 'sh', tool('sleep'), jailer, ...args],
  ]
}

function tool(name: string): string {
  const path = findTool(name)
  if (path === undefined)
    throw new KataError('JAIL_TOOL_MISSING', { tool: name, directories: toolDirectories.join(', ') })
  return path
}

/** The first process of the namespace has one child: what the jailer has left to it. */
function firecrackerIn(around: ProcessRef): ProcessRef | undefined {
  return childrenOf(around).flatMap(childrenOf)[0]
}

function watched(ref: ProcessRef, around: Bun.Subprocess): JailedFirecracker {
  let look = () => {}
  const gone = async () => {
    while (isAlive(ref)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, lookMs)
        look = () => {
          clearTimeout(timer)
          setTimeout(resolve, 1)
        }
      })
    }
  }
  const exited = (async (): Promise<ExitInfo> => {
    await Promise.race([gone(), around.exited])
    const status = zombieStatus(ref)
    around.kill('SIGKILL')
    await around.exited
    await gone()
    return status === undefined ? { code: null, signal: null } : exitOf(status)
  })()
  return { ref, exited, look: () => look() }
}

/** From what wait(2) gives. */
export function exitOf(status: number): ExitInfo {
  const number = status & 0x7f
  if (number === 0) return { code: (status >> 8) & 0xff, signal: null }
  const names = Object.entries(constants.signals) as [NodeJS.Signals, number][]
  return { code: null, signal: names.find(([, known]) => known === number)?.[0] ?? null }
}
