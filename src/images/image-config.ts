/** What an image says about how its container is run (OCI image specification, config.md). */

export interface ImageConfig {
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  /** `NAME=value`. */
  readonly env: readonly string[]
  /** Empty: `/`. */
  readonly workingDir: string
  /** `user[:group]`, names or numbers; empty: root. */
  readonly user: string
}

/** For root file systems that say nothing. */
export const emptyImageConfig: ImageConfig = { entrypoint: [], cmd: [], env: [], workingDir: '', user: '' }

/** Reads the `config` object of an image configuration; what has the wrong type counts as absent. */
export function parseImageConfig(config: unknown): ImageConfig {
  const fields = (typeof config === 'object' && config !== null ? config : {}) as Record<string, unknown>
  return {
    entrypoint: strings(fields.Entrypoint),
    cmd: strings(fields.Cmd),
    env: strings(fields.Env).filter((entry) => /^[^=\0]+=[^\0]*$/s.test(entry)),
    workingDir: text(fields.WorkingDir),
    user: text(fields.User),
  }
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
