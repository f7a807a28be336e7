/** `kata-ts version`. */
import type { Command } from 'commander'
import { commit, version } from '../../version.ts'
import { render } from '../output/format.ts'
import { action, type Cli, describe } from './command.ts'

export function versionCommand(cli: Cli): Command {
  const command = describe({
    usage: 'version',
    summary: 'print the version and the commit that it was built from',
    example: 'version',
  })
  return action(command, cli, async ({ format, print }) => {
    const facts = { name: 'kata-ts', version, commit }
    print(render(format, facts, () => `kata-ts ${version} (commit ${commit})\n`))
    return 0
  })
}
