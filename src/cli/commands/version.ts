/** `kata-ts version`. */
import type { Command } from 'commander'
import packageJson from '../../../package.json' with { type: 'json' }
import { render } from '../output/format.ts'
import { action, type Cli, describe } from './command.ts'

export function versionCommand(cli: Cli): Command {
  const command = describe({ usage: 'version', summary: 'print the version', example: 'version' })
  return action(command, cli, async ({ format, print }) => {
    const facts = { name: packageJson.name, version: packageJson.version }
    print(render(format, facts, ({ name, version }) => `${name} ${version}\n`))
    return 0
  })
}
