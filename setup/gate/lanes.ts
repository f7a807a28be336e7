/** Which e2e files run at the same time. */

/** Their tests wait for time limits of ours, and leave the processors alone meanwhile. The gate says of each file how much of a processor it took. */
export const waitingFiles: readonly string[] = [
  'e2e/lying-guest.test.ts',
  'e2e/containerd/lying-guest.test.ts',
  'e2e/containerd/chaos.test.ts',
  'e2e/given-up.test.ts',
]

/** Runs each file once, in so many lanes. Only the first begins with {@link waitingFiles}, as others have to compute meanwhile. */
export async function inLanes(
  files: readonly string[],
  lanes: number,
  run: (file: string) => Promise<void>,
): Promise<void> {
  const waits = (file: string) => waitingFiles.includes(file)
  const others = files.filter((file) => !waits(file)).values()
  const waiting = files.filter(waits).values()
  const lane = async (...queues: readonly Iterable<string>[]) => {
    for (const queue of queues) for (const file of queue) await run(file)
  }
  await Promise.all([
    lane(waiting, others),
    ...Array.from({ length: lanes - 1 }, () => lane(others, waiting)),
  ])
}
