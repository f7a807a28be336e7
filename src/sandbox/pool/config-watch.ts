/** Whether the configuration is still the one that machines wait for. */
import type { Config } from '../../config/config.ts'
import { isSameConfig } from '../../config/same-config.ts'
import type { Logger } from '../../log.ts'
import { type Clock, realClock } from '../../time.ts'

/** How often it is read again, milliseconds. */
export const rereadMs = 5000

export interface ConfigWatchOptions {
  readonly config: Config
  /** @throws KataError CONFIG_*. */
  readonly read: () => Config
  readonly log: Logger
  readonly clock?: Pick<Clock, 'now'>
}

export class ConfigWatch {
  readonly #options: ConfigWatchOptions
  readonly #clock: Pick<Clock, 'now'>
  #readAt: number
  #isRefused = false
  #next: Config | undefined

  constructor(options: ConfigWatchOptions) {
    this.#options = options
    this.#clock = options.clock ?? realClock
    this.#readAt = this.#clock.now()
  }

  /** The one that has come in its place; undefined while it is the same, and while nobody can read what is there now. */
  next(): Config | undefined {
    if (this.#next !== undefined || this.#clock.now() - this.#readAt < rereadMs) return this.#next
    this.#readAt = this.#clock.now()
    const { config, read, log } = this.#options
    try {
      const found = read()
      this.#isRefused = false
      if (!isSameConfig(config, found)) this.#next = found
    } catch (error) {
      if (!this.#isRefused)
        log.warn('the configuration is refused, and machines go on waiting for the former one', { error })
      this.#isRefused = true
    }
    return this.#next
  }
}
