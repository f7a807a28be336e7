/** Brings the lab host up, with this checkout's kata-ts installed unless it is asked for without; does only what is missing. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from '../setup/setup-error.ts'
import { lockFile } from '../src/guest-image/lock.ts'
import type { Progress } from '../src/guest-image/progress.ts'
import { carry, checkoutHash } from './carry.ts'
import { buildLab } from './image/build.ts'
import { askedRelease, isBootedWith } from './image/kernel.ts'
import { install } from './install.ts'
import { cutPower, LabHostDied, runningLab, startLab } from './machine/host.ts'
import { labDir, paths } from './paths.ts'

/** What of the checkout is installed in the lab host. */
const installed = join(paths.stamps, 'installed')

export interface UpOptions {
  /** Begin with a lab host as it was built, whatever one there was. */
  readonly fresh?: boolean
  /** The same, and without kata-ts. */
  readonly bare?: boolean
}

/**
 * Its kernel's emulated SVM is not beyond doubt: a boot that ends in a panic is tried once more, and said.
 *
 * @throws LabHostDied, LabHostSilent; KataError IMAGE_TOOL_*; SetupError; Error with what an installing command said.
 */
export async function up(progress: Progress, { fresh = false, bare = false }: UpOptions = {}): Promise<void> {
  await buildLab(progress)
  mkdirSync(labDir, { recursive: true, mode: 0o700 })
  using _lock = await lockFile(paths.lock)
  if (fresh || bare) await throwAway()
  if (runningLab() !== undefined && !isBootedWith(askedRelease(process.env)))
    throw new SetupError('the lab host runs with another kernel', 'npm run lab -- stop')
  if (runningLab() === undefined) {
    progress.begin('lab host: boot')
    await start(progress)
    progress.end()
  }
  if (bare) return
  const hash = checkoutHash()
  if (existsSync(installed) && readFileSync(installed, 'utf8') === hash) return
  rmSync(installed, { force: true })
  progress.begin('lab host: kata-ts installed as docs/how-to/first-pod.md says')
  await carry()
  await install()
  mkdirSync(paths.stamps, { recursive: true })
  writeFileSync(installed, hash)
  progress.end()
}

async function start(progress: Progress): Promise<void> {
  try {
    await startLab()
  } catch (error) {
    await cutPower()
    if (!(error instanceof LabHostDied)) throw error
    progress.end(`tried once more: ${error.message}`)
    progress.begin('lab host: boot, once more')
    await startLab()
  }
}

/** The running lab host and everything that it changed. */
async function throwAway(): Promise<void> {
  await cutPower()
  rmSync(paths.copy, { force: true })
  rmSync(installed, { force: true })
}
