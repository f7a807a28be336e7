/** Starts the shim again for work that outlives the action containerd called. */
import { ownPrefix } from '../linux/processes/own-program.ts'
import { room, showWords } from '../linux/processes/shown-words.ts'
import { shimName } from '../version.ts'
import type { ShimAction, ShimFlags } from './flags.ts'

/**
 * Settings of the engine for a process that sleeps for nearly all its life, 2 MiB less of one that is idle: garbage is collected before it
 * lies between what stays, no pages are kept ready, and a start, whose code runs once, is not compiled; the loops of streams are. Bun's own
 * timer would collect each second of an idle process, too.
 */
const engine = {
  BUN_JSC_largeHeapSize: `${2 ** 20}`,
  BUN_JSC_useWarmUpMarkedBlocks: '0',
  BUN_JSC_useConcurrentJIT: '0',
  BUN_JSC_thresholdForJITAfterWarmUp: '5000',
  BUN_JSC_thresholdForOptimizeAfterWarmUp: '20000',
  BUN_GC_TIMER_DISABLE: '1',
}

/**
 * Starts `action` for the same sandbox in a session of its own. Signals to this process or its group do not reach it. `stdio` is all
 * that it has open: an inherited output of ours would keep containerd waiting for the end of that output.
 */
export function spawnSelf(
  action: ShimAction,
  flags: ShimFlags,
  options: {
    bundle: string
    cwd: string
    env?: Record<string, string>
    stdio: ['ignore', number | 'ignore', number | 'pipe', ...number[]]
  },
): Bun.Subprocess {
  const { bundle, cwd, env, stdio } = options
  return Bun.spawn([process.execPath, ...argumentsFor({ ...flags, action, bundle })], {
    argv0: shimName,
    cwd,
    env: { ...engine, ...ownEnvironment(), ...env },
    stdio,
    detached: true,
  })
}

/** This process's environment, without what would turn the executable into Bun's own. */
export function ownEnvironment(): Record<string, string> {
  const { BUN_OPTIONS: _options, BUN_BE_BUN: _beBun, ...environment } = process.env
  return Object.fromEntries(Object.entries(environment).map(([name, value = '']) => [name, value]))
}

/** The words that follow the program's name. */
function argumentsFor({ action, runDir, config, debug, ...flags }: ShimFlags): string[] {
  const [, script = ''] = process.argv
  return [
    ...ownPrefix(script),
    ...['-namespace', flags.namespace],
    ...['-id', flags.id],
    ...['-address', flags.address],
    ...['-publish-binary', flags.publishBinary],
    ...['-bundle', flags.bundle],
    ...(runDir === undefined ? [] : ['-run-dir', runDir]),
    ...(config === undefined ? [] : ['-config', config]),
    ...(debug ? ['-debug'] : []),
    // It gets the words of its pod.
    ...(action === 'serve-waiting' ? ['-room', room] : []),
    action,
  ]
}

/** Has lists of processes show this one as if it had been started with the flags. */
export const showAsStartedWith = (flags: ShimFlags): void => showWords([shimName, ...argumentsFor(flags)])
