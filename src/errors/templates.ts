/** Templates: machines that were saved to be cloned. */
import { entry } from './entry.ts'

export const templateErrors = () => ({
  TEMPLATE_FOREIGN: entry(
    'failed_precondition',
    '{path} cannot be trusted as a part of a machine template: it {reason}',
    'Find out who made it. `kata-ts factory destroy` removes all templates, and `kata-ts factory init` makes a new one.',
  ),
  TEMPLATE_DAMAGED: entry(
    'failed_precondition',
    'the machine template with {path} is damaged: {reason}',
    'Run `kata-ts factory init` to make it anew; `kata-ts factory destroy` removes all templates.',
  ),
  TEMPLATE_DISK_FULL: entry(
    'resource_exhausted',
    'no space is left for a machine template in {path}',
    'Free space there, or set template_path in [factory] to another directory, then run `kata-ts factory init` again.',
  ),
  TEMPLATE_BUSY: entry(
    'unavailable',
    'another command is making or removing machine templates in {path}',
    'Wait for that `kata-ts factory init` or `kata-ts factory destroy`, and try again.',
  ),
})
