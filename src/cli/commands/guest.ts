/** `kata-ts guest`: the kernel and initrd that machines boot. */
import type { Command } from 'commander'
import { action, aliasesOf, type Cli, collect, describe } from './command.ts'

export interface GuestFlags {
  readonly cacheDir?: string
  readonly force?: true
  readonly kernelModule?: string[]
}

export function guestCommand(cli: Cli): Command {
  const command = describe({
    usage: 'guest',
    summary: 'build, list, show and remove guest images, the kernel and initrd of machines',
    example: 'guest build',
  })
  const verbs = [
    ['build', 'build the guest image from Debian packages, unless it is up to date'],
    ['list', 'list guest images; the current one is marked'],
    ['inspect [id]', 'print the manifest of an image (default: the current one)'],
    ['rm <id...>', 'remove guest images'],
  ] as const
  for (const [usage, summary] of verbs) {
    const verb = usage.split(' ')[0]!
    const example = `guest ${verb === 'rm' ? 'rm 3f2a8c51d0e94b7766aa01c4' : verb}`
    const child = describe({ usage, summary, example, aliases: aliasesOf(verb) }).option(
      '--cache-dir <dir>',
      'where images are kept',
    )
    if (verb === 'build')
      child.option(
        '--kernel-module <name>',
        'additional module of Debian’s kernel that guests may load; repeatable',
        collect,
      )
    if (verb === 'rm')
      child.option(
        '-f, --force',
        'remove them even if the next sandbox would boot them, or a running one has booted them',
      )
    command.addCommand(
      action<GuestFlags>(child, cli, async (settings, flags, args) => {
        const guest = await import('../actions/guest.ts')
        return guest[verb as 'build' | 'list' | 'inspect' | 'rm'](settings, flags, args)
      }),
    )
  }
  return command
}
