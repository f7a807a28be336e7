/**
 * `npm run uninstall`: takes everything of kata-ts off this machine, the packages that set-up installed included. Exit code 1
 * when something is left, which it then names.
 *
 *   npm run uninstall -- --dry-run         says what it would do
 *   npm run uninstall -- --keep-packages   leaves Debian packages alone
 *   npm run uninstall -- --volumes         removes volumes by name, too
 */
import { parseArgs } from 'node:util'
import { runningLab } from '../lab/machine/host.ts'
import { describeError } from '../src/errors.ts'
import { SetupError } from './setup-error.ts'
import { hostSandboxes } from './uninstall/sandboxes.ts'
import { uninstall } from './uninstall/uninstall.ts'

try {
  const { values } = parseArgs({
    options: {
      'dry-run': { type: 'boolean', default: false },
      'keep-packages': { type: 'boolean', default: false },
      volumes: { type: 'boolean', default: false },
    },
  })
  if (runningLab() !== undefined)
    throw new SetupError('the lab host runs, nothing was removed', 'shut it down first: npm run lab -- stop')
  const host = {
    root: '',
    tools: { env: process.env },
    sandboxes: hostSandboxes(),
    print: (text: string) => process.stdout.write(text),
  }
  const options = {
    dryRun: values['dry-run'],
    keepPackages: values['keep-packages'],
    volumes: values.volumes,
  }
  process.exitCode = (await uninstall(host, options)) ? 0 : 1
} catch (error) {
  const remedy = error instanceof SetupError ? `\n  What to do: ${error.remedy}` : ''
  process.stderr.write(`uninstall: ${describeError(error)}${remedy}\n`)
  process.exitCode = 1
}
