/** Checkpoints: machines that were saved to go on later, or to be forked. */
import { entry } from './entry.ts'

export const checkpointErrors = () => ({
  CHECKPOINT_REFUSED: entry(
    'failed_precondition',
    'the machine of {id} cannot be saved: {reason}',
    'End or remove what the reason names, then try again. Only a container whose files are on disks of its own (`shared_fs = "none"` in its configuration) can be saved; docs/how-to/suspend.md lists what else rules that out.',
  ),
  CHECKPOINT_FOREIGN: entry(
    'failed_precondition',
    '{path} cannot be trusted as a part of a saved machine: it {reason}',
    'Find out who made it, then remove the saved machine (`kata-ts snapshot rm`, or `kata-ts rm` for a suspended container).',
  ),
  CHECKPOINT_DAMAGED: entry(
    'failed_precondition',
    'the saved machine with {path} is damaged: {reason}',
    'It cannot continue. Remove a snapshot with `kata-ts snapshot rm`. A suspended container keeps its files: `kata-ts stop`, then `kata-ts start`, boots it with them.',
  ),
  CHECKPOINT_UNUSABLE: entry(
    'failed_precondition',
    'the machine saved in {path} cannot continue here: {reason}',
    'Restore the kata-ts, QEMU, guest image, configuration and processor that it was saved with, or remove it.',
  ),
  CHECKPOINT_DISK_FULL: entry(
    'resource_exhausted',
    'no space is left for a saved machine in {path}',
    'Free space there, and try again. The container keeps running.',
  ),
  CHECKPOINT_LOST: entry(
    'unavailable',
    'the machine of {id} ended before it was saved: {reason}',
    'Nothing was saved. `kata-ts start {id}` boots the container with its files, unless it was removed when it ended.',
  ),
})
