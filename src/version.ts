/** Who this program is. The version stands in package.json alone. */
import { version as packageVersion } from '../package.json' with { type: 'json' }

export const version: string = packageVersion

/** Replaced by the compiler (setup/executable.ts). */
declare const KATA_TS_COMMIT: string | undefined

/** The commit that this program was built from, with `-dirty` behind it when files had changed; `unknown` outside git and run from source. */
export const commit: string = typeof KATA_TS_COMMIT === 'string' ? KATA_TS_COMMIT : 'unknown'

/** Which build this is: two of one version may differ, and only one of them has what was mended. */
export const build = `${version} ${commit}`

/** The executable's other name, by which containerd finds the runtime `io.containerd.kata-ts.v2`. */
export const shimName = 'containerd-shim-kata-ts-v2'
