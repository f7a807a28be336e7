/** Keys about templates: machines that were booted once and saved, of which pods are clones. */
import { type Key, keysOf } from '../key-spec.ts'
import { boolean, integer, path } from '../value-types.ts'

export interface FactoryConfig {
  readonly enableTemplate: boolean
  readonly templatePath: string
  readonly vmCacheNumber: number
}

const key = keysOf('factory')

export const factoryKeys = (): readonly Key[] => [
  key(
    'enable_template',
    'enableTemplate',
    boolean,
    false,
    'Starts a pod as a clone of a machine that `kata-ts factory init` booted once and saved with its agent up, instead of booting one. All clones start with the same memory.',
    { optional: true, elsewhere: 'kata-ts makes no templates of its machines yet' },
  ),
  key(
    'template_path',
    'templatePath',
    path(),
    '/var/cache/kata-ts/templates',
    'The directory of the saved machines, which only root can enter. Each machine takes as much disk space as its guest had used memory. Kata uses `/run/vc/vm/template`, which is in memory.',
    { optional: true },
  ),
  key(
    'vm_cache_number',
    'vmCacheNumber',
    integer(0, 64),
    0,
    'How many machines `kata-ts factory serve` keeps waiting. Each is a clone with its own user, and a pod with the same configuration takes one instead of starting a clone. Needs `enable_template`. 0: none.',
  ),
]
