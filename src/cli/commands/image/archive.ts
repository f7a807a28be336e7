/** `kata-ts tag`, `history`, `save` and `load`: images of the store. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from '../command.ts'

export interface HistoryFlags {
  /** False with `--no-trunc`. */
  readonly trunc: boolean
}

export interface LoadFlags {
  readonly input?: string
  readonly tag?: string
  readonly quiet?: true
  readonly config?: string
}

export function tagCommand(cli: Cli): Command {
  const command = describe({
    usage: 'tag <image> <name>',
    summary: 'give an image of the store another name',
    example: 'tag debian:13 base:1',
  })
  return rootAction(command, cli, async (settings, _flags, [source = '', target = '']) => {
    const { tag } = await import('../../actions/image/archive.ts')
    return tag(settings, source, target)
  })
}

export function historyCommand(cli: Cli): Command {
  const command = describe({
    usage: 'history <image>',
    summary: 'show how an image was made',
    example: 'history debian:13',
  }).option('--no-trunc', 'do not cut lines to the width of the terminal')
  return rootAction<HistoryFlags>(command, cli, async (settings, flags, [name = '']) => {
    const { history } = await import('../../actions/image/archive.ts')
    return history(settings, flags, name)
  })
}

export function saveCommand(cli: Cli): Command {
  const command = describe({
    usage: 'save <image...>',
    summary: 'write images of the store as one archive, for `load`, docker, podman and skopeo',
    example: 'save --output app.tar app:1',
  }).option('-o, --output <file>', 'write to this file instead of standard output')
  return rootAction<{ output?: string }>(command, cli, async (settings, { output }, names) => {
    const { save } = await import('../../actions/image/archive.ts')
    return save(settings, output, names)
  })
}

export function loadCommand(cli: Cli): Command {
  const command = describe({
    usage: 'load',
    summary: 'put the images of an archive into the store',
    example: 'load --input app.tar',
  })
    .option('-i, --input <file>', 'an archive, or the directory of an OCI layout (default: standard input)')
    .option('--tag <name>', 'name for an image that has none in the archive')
    .option('-q, --quiet', 'show no progress on standard error')
    .option('--config <file>', 'configuration file')
  return rootAction<LoadFlags>(command, cli, async (settings, flags) => {
    const { load } = await import('../../actions/image/archive.ts')
    return load(settings, flags)
  })
}
