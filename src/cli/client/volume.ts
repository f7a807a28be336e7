/** Asks a shim about a direct-assigned volume. */
import { asksForErrorInfo } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { DirectVolumesDefinition } from '../../protocol/direct-volumes.ts'
import type { VolumeStatsResponse } from '../../protocol/generated/agent.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import { type ClientConnection, connect, createClient, TtrpcError } from '../../ttrpc/ttrpc.ts'
import { asKataError } from './task.ts'

/** The shim asks the guest, which has five seconds. */
const answerMs = 10_000

/**
 * `address` as the shim printed it, `volume` the path on the host.
 *
 * @throws KataError SHIM_UNREACHABLE, SHIM_CALL_FAILED, what the shim answered.
 */
export async function volumeStats(address: string, volume: string): Promise<VolumeStatsResponse> {
  const connection = await connectTo(address, volume)
  try {
    const options = { timeoutMs: () => answerMs, metadata: asksForErrorInfo }
    const volumes = createClient(DirectVolumesDefinition, connection, options)
    return await volumes.getVolumeStats({ volumeGuestPath: volume })
  } catch (error) {
    throw asKataError(TtrpcError.from(error), 'GetVolumeStats', volume)
  } finally {
    connection.close()
  }
}

async function connectTo(address: string, id: string): Promise<ClientConnection> {
  try {
    return connect(await connectUnix(address.replace(/^unix:\/\//, '')))
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new KataError('SHIM_UNREACHABLE', { id, address, reason }, { cause })
  }
}
