/** containerd-shim-kata-ts-v2: the same executable as `kata-ts`, by another name. */
import { describeError } from '../errors.ts'
import { parseShimFlags } from './flags.ts'

/** Runs one action and resolves with the exit status. Nothing but what containerd expects may reach stdout or stderr. */
export async function shimMain(argv: readonly string[]): Promise<number> {
  try {
    const flags = parseShimFlags(argv)
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
      case 'serve': {
        const { serveShim } = await import('./serve.ts')
        return await serveShim(flags)
      }
    }
  } catch (error) {
    process.stderr.write(`${describeError(error)}\n`)
    return 1
  }
}
