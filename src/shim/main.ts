/** containerd-shim-kata-ts-v2: the same executable as `kata-ts`, under another name. */
import { existsSync } from 'node:fs'
import { writeFailure } from '../bundle/failure.ts'
import { coded } from '../errors/coded.ts'
import type { KataError } from '../errors.ts'
import { parseShimFlags, type ShimFlags } from './flags.ts'

/** Runs one action and resolves with the exit status. Nothing but what containerd expects may reach stdout or stderr. */
export async function shimMain(argv: readonly string[]): Promise<number> {
  let flags: ShimFlags | undefined
  try {
    flags = parseShimFlags(argv)
    switch (flags.action) {
      case 'version': {
        const { printVersion } = await import('./version.ts')
        return printVersion()
      }
      case 'info': {
        const { printInfo } = await import('./version.ts')
        return printInfo()
      }
      case 'start': {
        const { start } = await import('./start.ts')
        return await start(flags, process.cwd())
      }
      case 'delete': {
        const { deleteShim } = await import('./delete.ts')
        return await deleteShim(flags, process.cwd())
      }
      case 'teardown': {
        const { tearDownShim } = await import('./teardown.ts')
        return await tearDownShim(flags)
      }
      case 'show-mounts': {
        const { showMounts } = await import('./show-mounts.ts')
        return showMounts(flags)
      }
      case 'wait': {
        const { wait } = await import('./pool/wait.ts')
        return wait(flags)
      }
      case 'serve-waiting': {
        const { serveWaiting } = await import('./pool/serve-waiting.ts')
        return await serveWaiting(flags)
      }
      case 'serve': {
        const { serveShim } = await import('./daemon/serve.ts')
        return await serveShim(flags)
      }
    }
  } catch (error) {
    const told = coded(error)
    process.stderr.write(`${told.message}\n`)
    if (flags !== undefined) tellClient(flags, told)
    return 1
  }
}

/** Our own client passes the bundle to every action and reads this file. Other clients have only the text on stderr. */
function tellClient({ bundle }: ShimFlags, error: KataError): void {
  if (!existsSync(bundle)) return
  try {
    writeFailure(bundle, 'actionFailure', error)
  } catch {
    // The text on stderr says the same.
  }
}
