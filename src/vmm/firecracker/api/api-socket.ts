/** The one connection to Firecracker's API, on a socket that it makes itself. */
import { KataError } from '../../../errors.ts'
import { withSocketOf } from '../../../linux/sockets/owned-socket.ts'
import { connectUnix } from '../../../linux/sockets/socket.ts'
import type { Identity } from '../../../rootless/jail/launch-spec.ts'
import { deadline, retry } from '../../../time.ts'
import { ApiClient } from '../../http/api.ts'
import { answerMs } from '../../machine/deadlines.ts'
import type { JailPlace } from '../program.ts'
import { firecrackerApi } from '../settings/dialect.ts'
import { inJail } from '../settings/jail-paths.ts'

/** How often it is tried until it is there, milliseconds. */
const tryMs = 2

/**
 * Firecracker makes its socket a moment after it was started; only one of its user's is taken.
 *
 * @throws KataError VMM_DISCONNECTED when it has `ended` before, VMM_COMMAND_TIMEOUT.
 */
export async function connectApi(
  { root }: JailPlace,
  { uid }: Pick<Identity, 'uid'>,
  ended: Promise<unknown>,
): Promise<ApiClient> {
  const over = new AbortController()
  void ended.then(() => over.abort())
  const path = `${root}${inJail.api}`
  const dial = async () => ApiClient.open(await withSocketOf(path, uid, connectUnix), firecrackerApi)
  try {
    return await retry(dial, tryMs, deadline(answerMs, over.signal))
  } catch (cause) {
    if (over.signal.aborted) throw new KataError('VMM_DISCONNECTED', { command: 'version' }, { cause })
    throw new KataError('VMM_COMMAND_TIMEOUT', { command: 'version', seconds: answerMs / 1000 }, { cause })
  }
}
