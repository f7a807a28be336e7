/** Opens what answers give, before the container has them. */

import { serially } from '../../time.ts'
import { OpenAddresses } from '../egress/egress.ts'
import type { AnswerOptions } from './answer.ts'

/**
 * `run` has commands of nft(8) done. One answer after the other: the second that gives an address comes after the first has opened it. What a
 * failure has opened is not known, so that all is opened anew.
 */
export function openingBy(run: (commands: string) => Promise<void>): AnswerOptions['open'] {
  let opened = new OpenAddresses()
  const alone = serially()
  return (addresses, ports) =>
    alone(async () => {
      const commands = opened.open(addresses, ports)
      if (commands === '') return
      try {
        await run(commands)
      } catch (error) {
        opened = new OpenAddresses()
        throw error
      }
    })
}
