/**
 * Words of docker's that we do not have, and what to use in their place: for those whose nearest name of ours means
 * something else. `pull` is no kind of kill.
 */

import { refusals } from './docker-refusals.ts'

/** By command, and by option; an option of one command has that before it. */
const inTheirPlace: Readonly<Record<string, string>> = {
  network:
    'use `run --network bridge`, or `run --network ns:PATH` for a network of yours; see docs/how-to/run.md',
  build: `build with docker or buildah, and use \`kata-ts run --image app.tar\``,
  commit: 'use `kata-ts cp NAME:/ -`, which is a tar of the files',
  '--gpus': 'use --device; docs/how-to/devices.md says what can be given to a machine',
  '--container-memory': 'use --memory, which is the limit of the container; the machine has --machine-memory',
}

/** The advice after `unknown command 'stop'`; undefined where the nearest name is good advice. */
export function inPlaceOf(word: string, command: string): string | undefined {
  const name = word.split('=')[0]!
  // A letter is another option with every command.
  const ofDocker = command === (name.startsWith('-') ? 'run' : 'kata-ts')
  return inTheirPlace[`${command} ${name}`] ?? inTheirPlace[name] ?? (ofDocker ? refusals[name] : undefined)
}
