/** Calls to a shim about a direct-assigned volume. */
import { asksForErrorInfo } from '../../errors/told.ts'
import { KataError } from '../../errors.ts'
import { DirectVolumesDefinition } from '../../protocol/direct-volumes.ts'
import type { VolumeStatsResponse } from '../../protocol/generated/agent.ts'
import { connectUnix } from '../../ttrpc/bun.ts'
import { type Client, type ClientConnection, connect, createClient, TtrpcError } from '../../ttrpc/ttrpc.ts'
import { asKataError } from './task.ts'

/** The shim has to ask the guest. */
const statsMs = 10_000
/** The guest has a minute to grow a file system. */
const resizeMs = 90_000

/**
 * `address` is the one that the shim printed, `volume` the path on the host.
 *
 * @throws KataError SHIM_UNREACHABLE, SHIM_CALL_FAILED, errors of the shim.
 */
export function volumeStats(address: string, volume: string): Promise<VolumeStatsResponse> {
  const call = { address, volume, name: 'GetVolumeStats', timeoutMs: statsMs }
  return ask(call, (volumes) => volumes.getVolumeStats({ volumeGuestPath: volume }))
}

/**
 * Grows the volume's file system to `size` bytes. Its disk must have grown already.
 *
 * @throws KataError SHIM_UNREACHABLE, SHIM_CALL_FAILED, errors of the shim.
 */
export async function resizeVolume(address: string, volume: string, size: bigint): Promise<void> {
  const call = { address, volume, name: 'ResizeVolume', timeoutMs: resizeMs }
  await ask(call, (volumes) => volumes.resizeVolume({ volumeGuestPath: volume, size }))
}

interface Call {
  readonly address: string
  readonly volume: string
  readonly name: string
  readonly timeoutMs: number
}

async function ask<Answer>(
  { address, volume, name, timeoutMs }: Call,
  question: (volumes: Client<typeof DirectVolumesDefinition>) => Promise<Answer>,
): Promise<Answer> {
  const connection = await connectTo(address, volume)
  try {
    const options = { timeoutMs: () => timeoutMs, metadata: asksForErrorInfo }
    return await question(createClient(DirectVolumesDefinition, connection, options))
  } catch (error) {
    throw asKataError(TtrpcError.from(error), name, volume)
  } finally {
    connection.close()
  }
}

async function connectTo(address: string, id: string): Promise<ClientConnection> {
  try {
    return connect(await connectUnix(address))
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new KataError('SHIM_UNREACHABLE', { id, address, reason }, { cause })
  }
}
