/** Checkpoints: machines that were saved to go on later, or to be forked. */
import { type CatalogueEntry, entry } from './entry.ts'

export const checkpointErrors = {
  CHECKPOINT_REFUSED: entry(
    'failed_precondition',
    'the machine of {id} cannot be saved: {reason}',
    'docs/how-to/suspend.md says what can: a container with `shared_fs = "none"` in its configuration, whose files are on disks of its own.',
  ),
  CHECKPOINT_FOREIGN: entry(
    'failed_precondition',
    '{path} counts for nothing as a part of a saved machine: it {reason}',
    'Find out who made it, and remove what was saved there.',
  ),
  CHECKPOINT_DAMAGED: entry(
    'failed_precondition',
    'the saved machine with {path} is damaged: {reason}',
    'It cannot go on. Remove it; the files of a suspended container are still there, and `kata-ts stop` then `kata-ts start` boots with them.',
  ),
  CHECKPOINT_UNUSABLE: entry(
    'failed_precondition',
    'the machine saved in {path} cannot go on here: {reason}',
    'Give kata-ts, QEMU, guest image, configuration and processor back that it was saved with, or remove it.',
  ),
  CHECKPOINT_DISK_FULL: entry(
    'resource_exhausted',
    'no space is left for a saved machine in {path}',
    'Make room there, and try again; the container runs on.',
  ),
} satisfies Record<string, CatalogueEntry>
