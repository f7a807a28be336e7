/** `kata-ts diff` and `export`: the files of a container. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export function diffCommand(cli: Cli): Command {
  const command = describe({
    usage: 'diff <name>',
    summary: 'show which files a container has added (A), changed (C) and deleted (D)',
    example: 'diff web',
  })
  return rootAction(command, cli, async (settings, _flags, [name = '']) => {
    const { diff } = await import('../../actions/image/files.ts')
    return diff(settings, name)
  })
}

export function exportCommand(cli: Cli): Command {
  const command = describe({
    usage: 'export <name>',
    summary: 'write the files of a container as a tar archive, without volumes',
    example: 'export --output web.tar web',
  }).option('-o, --output <file>', 'write to this file instead of standard output')
  return rootAction<{ output?: string }>(command, cli, async (settings, { output }, [name = '']) => {
    const { exportFiles } = await import('../../actions/image/files.ts')
    return exportFiles(settings, name, output)
  })
}
