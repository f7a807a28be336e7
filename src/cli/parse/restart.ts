/** `--restart POLICY[:N]`. */
import { KataError } from '../../errors.ts'
import { type RestartPolicy, restartNames } from '../client/life/restart-policy.ts'

/** @throws KataError OPTION_INVALID. */
export function parseRestart(text: string): RestartPolicy {
  const [word = '', most] = text.split(':')
  const name = restartNames.find((known) => known === word)
  const isCount = most === undefined || (name === 'on-failure' && /^\d{1,9}$/.test(most))
  if (name === undefined || !isCount || text.split(':').length > 2)
    throw new KataError('OPTION_INVALID', {
      option: '--restart',
      value: text,
      allowed: 'no, on-failure, on-failure:N, always, unless-stopped',
    })
  return { name, most: Number(most ?? 0) }
}
