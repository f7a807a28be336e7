/** `kata-ts image`: the kernel and initrd that machines boot. */
import type { Command } from 'commander'
import { action, type Cli, collect, describe } from './command.ts'

export interface ImageFlags {
  readonly cacheDir?: string
  readonly force?: true
  readonly kernelModule?: string[]
}

export function imageCommand(cli: Cli): Command {
  const command = describe({
    usage: 'image',
    summary: 'build, list, show and remove guest images',
    example: 'image build',
  })
  const verbs = [
    ['build', 'build the guest image from Debian packages, or find it up to date'],
    ['list', 'list guest images; the current one is marked'],
    ['inspect [id]', 'print the manifest of an image (default: the current one)'],
    ['rm <id...>', 'remove guest images'],
  ] as const
  for (const [usage, summary] of verbs) {
    const verb = usage.split(' ')[0]!
    const example = `image ${verb === 'rm' ? 'rm 3f2a' : verb}`
    const child = describe({ usage, summary, example }).option('--cache-dir <dir>', 'where images are kept')
    if (verb === 'build')
      child.option(
        '--kernel-module <name>',
        'a module of Debian’s kernel for guests to load, beyond the usual; repeatable',
        collect,
      )
    if (verb === 'rm')
      child.option('-f, --force', 'remove also what the next sandbox boots, or one has booted')
    command.addCommand(
      action<ImageFlags>(child, cli, async (settings, flags, args) => {
        const image = await import('../actions/image.ts')
        return image[verb as 'build' | 'list' | 'inspect' | 'rm'](settings, flags, args)
      }),
    )
  }
  return command
}
