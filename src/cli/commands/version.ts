/** `kata-ts version`. */
import type { Command } from 'commander'
import { version } from '../../version.ts'
import { render } from '../output/format.ts'
import { action, type Cli, describe } from './command.ts'

export function versionCommand(cli: Cli): Command {
  const command = describe({ usage: 'version', summary: 'print the version', example: 'version' })
  return action(command, cli, async ({ format, print }) => {
    const facts = { name: 'kata-ts', version }
    print(render(format, facts, ({ name, version }) => `${name} ${version}\n`))
    return 0
  })
}
