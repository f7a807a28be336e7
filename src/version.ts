/** Which version of kata-ts this is; the one place that says so is package.json. */
import packageJson from '../package.json' with { type: 'json' }

export const version: string = packageJson.version
