/**
 * Words of docker's that we do not have, and what to use in their place: for those whose nearest name of ours means
 * something else. `pull` is no kind of kill.
 */

import { refusals } from './docker-refusals.ts'

/** Options of `network create` that are about docker's drivers. */
const onlyDriver = (...options: readonly string[]) =>
  Object.fromEntries(
    options.map((option) => [
      `network create ${option}`,
      'omit it: there is one kind of network; for others, make a namespace and use `run --network ns:PATH`',
    ]),
  )

const onlyDirectories =
  'omit it: volumes are directories of the host; mount another file system there, or use -v DISK:/path:ext4'
const filterJson = 'filter the output of `--format json`, which has the labels and containers, with jq'

/** An option of one command, by its letter, too. */
const withLetter = (command: string, letter: string, option: string, advice: string) => ({
  [`${command} ${letter}`]: advice,
  [`${command} ${option}`]: advice,
})

/** By command, and by option; an option of one command has that before it. */
const inTheirPlace: Readonly<Record<string, string>> = {
  'network connect': 'a container has its network for life; use `run --network NAME`',
  'network disconnect': 'a container has its network for life; use `run --network NAME`',
  'network create --ipv6':
    'omit it: a network has IPv6 if the host has it, with addresses derived from the IPv4 addresses',
  'network create --gateway': 'omit it: the gateway has the second address of --subnet',
  'network create --ip-range': 'omit it: containers get addresses of all of --subnet',
  'network create --attachable': 'omit it: any container may be on a network',
  ...onlyDriver('--driver', '-d', '--opt', '-o'),
  ...withLetter('volume create', '-d', '--driver', onlyDirectories),
  ...withLetter('volume create', '-o', '--opt', onlyDirectories),
  ...withLetter('volume ls', '-f', '--filter', filterJson),
  ...withLetter('network ls', '-f', '--filter', filterJson),
  container: 'use it before a command of containers, as in `kata-ts container ls`, or omit it',
  image:
    'use pull, images, rmi, tag, history, save, load or prune; `kata-ts guest` manages what machines boot',
  build: `build with docker or buildah, and use \`kata-ts run --image app.tar\``,
  'logs --details': '`kata-ts inspect NAME` shows the labels',
  'update --memory-swap': 'a machine has no swap: --memory is the limit',
  ...withLetter('rm', '-l', '--link', 'containers have no links'),
  ...withLetter('cp', '-a', '--archive', 'omit it: copies belong to root, or to you'),
  ...withLetter('cp', '-L', '--follow-link', 'name the file that the link leads to'),
  ...withLetter('cp', '-q', '--quiet', 'omit it: no progress is shown'),
  ...withLetter('stats', '-a', '--all', 'use `kata-ts ps`: a stopped container uses nothing'),
  'stats --no-trunc': 'omit it: names are shown whole',
  'images --tree': 'see `kata-ts inspect --type image`',
  ...withLetter('inspect', '-s', '--size', 'use `kata-ts ps --size`'),
  'start --checkpoint': 'use `kata-ts run --from SNAPSHOT`, or `kata-ts resume`',
  'start --checkpoint-dir': 'omit it: `kata-ts snapshot ls` shows where snapshots are',
  '--net': 'use --network',
  '--net-alias': 'use --network-alias',
  '--dns-opt': 'use --dns-option',
  '--gpus': 'use --device; docs/how-to/devices.md says what can be given to a machine',
  '--container-memory': 'use --memory, which is the limit of the container; the machine has --machine-memory',
}

/** What `run` and `create` say of a limit is so for `update`, too. */
const takesRunsOptions = (command: string, name: string): boolean =>
  name.startsWith('--') && (command === 'create' || command === 'update')

/** The advice after `unknown command 'stop'`; undefined where the nearest name is good advice. */
export function inPlaceOf(word: string, command: string): string | undefined {
  const name = word.split('=')[0]!
  // A letter is another option with every command.
  const ofDocker = command === (name.startsWith('-') ? 'run' : 'kata-ts') || takesRunsOptions(command, name)
  return (
    ownValue(inTheirPlace, `${command} ${name}`) ??
    ownValue(inTheirPlace, name) ??
    (ofDocker ? ownValue(refusals, name) : undefined)
  )
}

/** Every object has a `constructor`, about which no table says anything. */
const ownValue = (table: Readonly<Record<string, string>>, word: string): string | undefined =>
  Object.hasOwn(table, word) ? table[word] : undefined
