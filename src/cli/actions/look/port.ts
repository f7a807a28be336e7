import { readNetworkWishes } from '../../../bundle/network.ts'
import { KataError } from '../../../errors.ts'
import { pathsOf } from '../../client/external.ts'
import { render } from '../../output/format.ts'
import { placesOf } from '../../output/ports.ts'
import { portName } from '../../parse/expose.ts'
import type { Settings } from '../../settings.ts'
import { findRecord } from '../containers.ts'

/** @throws KataError PORT_NOT_PUBLISHED for one that was asked for. */
export async function port(settings: Settings, name: string, asked: string | undefined): Promise<number> {
  const { bundle } = pathsOf(settings, findRecord(settings, name))
  const ports = readNetworkWishes(bundle)?.ports ?? []
  const wanted = asked === undefined || asked.includes('/') ? asked : `${asked}/tcp`
  const shown = ports.filter((one) => wanted === undefined || portName(one) === wanted)
  if (wanted !== undefined && shown.length === 0)
    throw new KataError('PORT_NOT_PUBLISHED', { name, port: wanted })
  settings.print(
    render(settings.format, shown, (list) =>
      list
        .flatMap((one) =>
          placesOf(one).map((place) => `${wanted === undefined ? `${portName(one)} -> ` : ''}${place}\n`),
        )
        .join(''),
    ),
  )
  return 0
}
