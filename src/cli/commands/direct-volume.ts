/** `kata-ts direct-volume`: what a CSI driver asks of Kata's command of that name. */
import type { Command } from 'commander'
import { type Cli, describe, rootAction } from './command.ts'

interface Flags {
  readonly volumePath: string
  readonly mountInfo: string
  readonly size: string
}

export function directVolumeCommand(cli: Cli): Command {
  const path = '/var/lib/kubelet/pods/UID/volumes/kubernetes.io~csi/PV/mount'
  const note = '\'{"volume-type":"block","device":"/dev/sdb","fstype":"ext4"}\''
  const verbs = [
    ['add', 'say which disk a guest mounts in place of a volume of the host', ` --mount-info ${note}`],
    ['remove', 'remove the note about a volume', ''],
    ['resize', 'grow the file system of a mounted volume, after its disk has grown', ' --size 2147483648'],
    ['stats', 'print the capacity and use of a mounted volume as JSON', ''],
  ] as const
  const command = describe({
    usage: 'direct-volume',
    summary: 'add, remove, grow and show direct-assigned volumes',
    example: `direct-volume stats --volume-path ${path}`,
  })
  for (const [verb, summary, rest] of verbs) {
    const example = `direct-volume ${verb} --volume-path ${path}${rest}`
    const child = describe({ usage: verb, summary, example }).requiredOption(
      '--volume-path <path>',
      'path of the volume on the host, as containers mount it',
    )
    if (verb === 'add')
      child.requiredOption('--mount-info <json>', 'the disk, its file system and its options')
    if (verb === 'resize') child.requiredOption('--size <bytes>', 'new size of the volume')
    command.addCommand(
      rootAction<Flags>(child, cli, async (settings, { volumePath, ...flags }) => {
        const actions = await import('../actions/direct-volume.ts')
        return actions[verb](settings, volumePath, flags)
      }),
    )
  }
  return command
}
