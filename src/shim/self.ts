/** Starts the shim again for work that outlives the action containerd called. */
import { ownPrefix } from '../linux/processes/own-program.ts'
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
  const [, script = ''] = process.argv
  return Bun.spawn([process.execPath, ...ownPrefix(script), ...argumentsFor(action, flags, bundle)], {
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

function argumentsFor(action: ShimAction, flags: ShimFlags, bundle: string): string[] {
  const { namespace, id, address, publishBinary, debug, runDir, config } = flags
  return [
    ...['-namespace', namespace],
    ...['-id', id],
    ...['-address', address],
    ...['-publish-binary', publishBinary],
    ...['-bundle', bundle],
    ...(runDir === undefined ? [] : ['-run-dir', runDir]),
    ...(config === undefined ? [] : ['-config', config]),
    ...(debug ? ['-debug'] : []),
    action,
  ]
}
