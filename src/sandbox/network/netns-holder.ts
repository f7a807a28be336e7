/**
 * A network namespace for clients that fill it only after Create, through the process in its answer (Docker since version
 * 26: /proc/PID/ns/net). The VMM's own namespace stays empty, so another process of the pod's user holds this one.
 */
import type { Ledger } from '../../ledger/ledger.ts'
import { type SleeperOptions, startSleeper } from '../pids/sleeper.ts'

/** Returns the process. @throws KataError those of {@link startSleeper}; no process is left then. */
export function holdNetns(
  ledger: Ledger,
  options: Omit<SleeperOptions, 'name' | 'working'>,
): Promise<{ pid: number }> {
  return startSleeper(ledger, {
    ...options,
    name: 'netns-holder',
    // The client puts its interfaces there.
    working: ({ interfaces: _, ...checked }) => checked,
  })
}
