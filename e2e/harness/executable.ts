/** The programs under test: those of build/, or installed ones where KATA_TS_E2E_EXECUTABLE names a kata-ts. */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const installed = process.env.KATA_TS_E2E_EXECUTABLE
if (installed !== undefined && !(installed.startsWith('/') && existsSync(installed)))
  throw new Error(`KATA_TS_E2E_EXECUTABLE is ${JSON.stringify(installed)}; it must be the path of a kata-ts`)

export const executable = installed ?? resolve(import.meta.dir, '../../build/kata-ts')
/** Where it and the shim are, for containerd's PATH. */
export const programDir = dirname(executable)
export const shim = join(programDir, 'containerd-shim-kata-ts-v2')
