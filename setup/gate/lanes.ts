/** Which e2e files run at the same time. */

/**
 * Their tests wait for time limits of ours, and leave the processors alone meanwhile. The gate says of each file how much of a processor it took. One of them
 * runs beside as many others as are run at a time.
 */
export const waitingFiles: readonly string[] = [
  'e2e/lying-guest.test.ts',
  'e2e/containerd/lying-guest.test.ts',
  'e2e/containerd/chaos.test.ts',
  'e2e/given-up.test.ts',
]

/**
 * Runs each file once, `atATime` at a time and one of {@link waitingFiles} besides, which are followed by others; where that is one, nothing
 * runs beside it.
 */
export async function inLanes(
  files: readonly string[],
  atATime: number,
  run: (file: string) => Promise<void>,
): Promise<void> {
  const waits = (file: string) => atATime > 1 && waitingFiles.includes(file)
  const others = files.filter((file) => !waits(file)).values()
  const waiting = files.filter(waits).values()
  const lane = async (...queues: readonly Iterable<string>[]) => {
    for (const queue of queues) for (const file of queue) await run(file)
  }
  const besides = atATime > 1 ? [lane(waiting, others)] : []
  await Promise.all([...besides, ...Array.from({ length: atATime }, () => lane(others, waiting))])
}
