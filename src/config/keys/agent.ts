/** Keys about the agent in the guest. */
import { type Key, keysOf } from '../key-spec.ts'
import { boolean, integer, strings } from '../value-types.ts'

export interface AgentConfig {
  /** Seconds. */
  readonly dialTimeout: number
  readonly kernelModules: readonly string[]
  readonly enableDebug: boolean
}

const key = keysOf('agent.kata')

export const agentKeys = (): readonly Key[] => [
  key(
    'dial_timeout',
    'dialTimeout',
    integer(0, 3600, ' seconds'),
    45,
    'How long the agent may take to answer for the first time, in seconds. 0 means 30. It also limits a trial of KVM (`accelerator = "auto"`). QEMU has the same time, but at least 30 s and 2 s more for each GiB of memory, to build a machine with VFIO devices from the start or with enable_mem_prealloc.',
  ),
  key(
    'kernel_modules',
    'kernelModules',
    strings(
      (text) => /^[a-zA-Z0-9][ -~]*$/.test(text),
      'module names, each with its parameters after spaces',
      ';',
    ),
    [],
    'Modules that the agent loads when the sandbox starts, for instance "dummy numdummies=2". They come from the guest image (docs/how-to/kernel-modules.md); with your own `initrd` or `image`, its agent loads its own. An annotation separates them by semicolons.',
    { annotation: 'kernel_modules', example: 'loop; dummy numdummies=1' },
  ),
  key(
    'enable_debug',
    'enableDebug',
    boolean,
    false,
    'Makes the agent log every call and its result on the console (console.log in the state directory).',
  ),
]
