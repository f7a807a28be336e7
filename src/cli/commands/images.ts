/** `kata-ts pull`, `images`, `rmi` and `prune`: images of containers. */
import type { Command } from 'commander'
import type { PullFlags } from '../client/pull.ts'
import { type Cli, collect, describe, rootAction } from './command.ts'

export interface ImagesFlags {
  readonly quiet?: true
  readonly digests?: true
  readonly all?: true
  readonly filter?: readonly string[]
  /** False with `--no-trunc`. */
  readonly trunc: boolean
}

export interface PruneFlags {
  readonly force?: true
  readonly containers?: true
  readonly keepImages?: true
  readonly unnamed?: true
  readonly all?: true
}

/** How a registry is talked to, for each command that may pull. */
export const registryOptions = (command: Command): Command =>
  command
    .option(
      '--tls-verify <bool>',
      'false: accept plain HTTP and invalid certificates of the registry (default: true)',
    )
    .option(
      '--authfile <file>',
      'credentials for registries (default: those of `skopeo login` or `docker login`)',
    )

export function pullCommand(cli: Cli): Command {
  const command = registryOptions(
    describe({
      usage: 'pull <image>',
      summary:
        'pull an image from a registry, or from containerd:, docker-daemon: and other stores of this host',
      example: 'pull debian:13',
    }),
  )
    .option('-q, --quiet', 'show no progress on standard error')
    .option('--config <file>', 'configuration file')
  return rootAction<PullFlags>(command, cli, async (settings, flags, [image = '']) => {
    const { pullOne } = await import('../actions/images.ts')
    return pullOne(settings, flags, image)
  })
}

export function imagesCommand(cli: Cli): Command {
  const command = describe({
    usage: 'images [name]',
    summary: 'list the images in the store',
    example: 'images --digests',
  })
    .option('-q, --quiet', 'show only ids')
    .option('--digests', 'also show the digests of manifests')
    .option('-a, --all', 'show all images, which is the default')
    .option('-f, --filter <key=value>', 'reference=NAME[:TAG]; repeatable', collect)
    .option('--no-trunc', 'show whole ids')
  return rootAction<ImagesFlags>(
    command,
    cli,
    async (settings, flags, [name]) => {
      const { images } = await import('../actions/images.ts')
      return images(settings, flags, name)
    },
    { takesTemplate: true },
  )
}

export function rmiCommand(cli: Cli): Command {
  const command = describe({
    usage: 'rmi <image...>',
    summary: 'remove images by name or id',
    example: 'rmi debian:13',
  }).option(
    '-f, --force',
    'also remove images that containers use, which keep their files; ignore images that do not exist',
  )
  return rootAction<{ force?: true }>(command, cli, async (settings, { force }, names) => {
    const { rmi } = await import('../actions/images.ts')
    return rmi(settings, force === true, names)
  })
}

export function pruneCommand(cli: Cli): Command {
  const command = describe({
    usage: 'prune',
    summary: 'remove images and layers that no container uses, after asking',
    example: 'prune --containers',
  })
    .option('--containers', 'also remove containers of the namespace that have ended or were never started')
    .option('--keep-images', 'with --containers: remove no images')
    .option('--unnamed', 'remove only images without a name, as `image prune` does')
    .option('-a, --all', 'also remove images with names, which is the default without --unnamed')
    .option('-f, --force', 'do not ask')
  return rootAction<PruneFlags>(command, cli, async (settings, flags) => {
    const { prune } = await import('../actions/prune.ts')
    return prune(settings, flags)
  })
}
