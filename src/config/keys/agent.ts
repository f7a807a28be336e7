/** Keys about the agent in the guest. */
import { keysOf } from '../key-spec.ts'
import { boolean, integer, strings } from '../value-types.ts'

const key = keysOf('agent.kata')

export const agentKeys = [
  key(
    'dial_timeout',
    'dialTimeout',
    integer(0, 3600, ' seconds'),
    45,
    'How long the agent may take to answer for the first time, in seconds. 0 means 30. So long may a trial of KVM take (`accelerator = "auto"`), and QEMU until it has built a machine with VFIO devices from the start or with enable_mem_prealloc: that is never less than 30 s, and 2 s more for each GiB of memory.',
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
    'Modules that the agent loads when the sandbox starts, for instance "e1000e InterruptThrottleRate=3000". In an annotation they are separated by semicolons.',
    { annotation: 'kernel_modules' },
  ),
  key(
    'enable_debug',
    'enableDebug',
    boolean,
    false,
    'Lets the agent tell on the console (console.log in the state directory) which calls come and how they end.',
  ),
]
