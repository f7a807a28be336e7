/**
 * Time limits of tests. They are chosen for hardware that runs the tests itself; KATA_TS_E2E_SLOWNESS says how many times
 * slower this host is, an emulated one for instance. No test asserts on time: a limit only ends what hangs.
 */

const asked = process.env.KATA_TS_E2E_SLOWNESS ?? '1'

/** A number from 1 to 100. */
export const slowness = Number(asked)
if (!/^\d+(\.\d+)?$/.test(asked) || slowness < 1 || slowness > 100)
  throw new Error(`KATA_TS_E2E_SLOWNESS is ${JSON.stringify(asked)}; it must be a number from 1 to 100`)

/** A time limit, in milliseconds, as long as this host needs it. */
export const slow = (ms: number): number => Math.ceil(ms * slowness)
