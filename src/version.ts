/** Who this program is. The version stands in package.json alone. */
import packageJson from '../package.json' with { type: 'json' }

export const version: string = packageJson.version

/** The executable's other name, by which containerd finds the runtime `io.containerd.kata-ts.v2`. */
export const shimName = 'containerd-shim-kata-ts-v2'
