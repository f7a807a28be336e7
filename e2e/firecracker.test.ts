/**
 * The Firecracker driver alone: the real program and its jailer where there are both, else their doubles; a real guest.
 * What every driver must do: machine/suite.ts.
 */
import { findVmm } from './harness/vmm.ts'
import { machineSuite } from './machine/suite.ts'

const firecracker = await findVmm('firecracker')
machineSuite(firecracker, {
  ...{ sockets: [], directories: ['jail'] },
  otherProgram: '[VMM_OPTION_INVALID]',
  noUser: /^\[VMM_EXITED\].*Invalid argument/s,
})
