/** `kata-ts commit` and `import`: new images in the store. */
import type { Command } from 'commander'
import { type Cli, collect, describe, rootAction } from '../command.ts'

export interface ChangeFlags {
  readonly change?: readonly string[]
  readonly message?: string
  readonly config?: string
}

export interface CommitFlags extends ChangeFlags {
  readonly author?: string
  readonly pause?: string
}

const changeOptions = (command: Command): Command =>
  command
    .option(
      '-c, --change <instruction>',
      'CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME or WORKDIR, as in a Dockerfile; repeatable',
      collect,
    )
    .option('-m, --message <text>', 'comment for `history`')
    .option('--config <file>', 'configuration file')

export function commitCommand(cli: Cli): Command {
  const command = changeOptions(
    describe({
      usage: 'commit <container> <image>',
      summary: 'make an image from a container’s files, with the configuration of the container’s image',
      example: 'commit --change \'CMD ["nginx"]\' web site:2',
    }),
  )
    .option('-a, --author <name>', 'author of the image')
    .option('-p, --pause <bool>', 'pause a running container during the commit (default: true)')
  return rootAction<CommitFlags>(command, cli, async (settings, flags, [container = '', image = '']) => {
    const { commit } = await import('../../actions/image/commit.ts')
    return commit(settings, flags, container, image)
  })
}

export function importCommand(cli: Cli): Command {
  const command = changeOptions(
    describe({
      usage: 'import <file> <image>',
      summary: 'make an image from a tar archive, such as the output of `export`; - is standard input',
      example: 'import files.tar app:1',
    }),
  )
  return rootAction<ChangeFlags>(command, cli, async (settings, flags, [file = '', image = '']) => {
    const { importTar } = await import('../../actions/image/commit.ts')
    return importTar(settings, flags, file, image)
  })
}
