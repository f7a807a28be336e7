/** Finds free ports of the host for containers that did not name one. */
import { mkdirSync } from 'node:fs'
import { type NetworkWishes, type PublishedPort, readNetworkWishes } from '../../../bundle/network.ts'
import { describeError, KataError } from '../../../errors.ts'
import { makeUnderDirectoryLock } from '../../../linux/files/directory-lock.ts'
import { hasIpv6Route } from '../../../linux/interfaces/ipv6.ts'
import { portName } from '../../parse/expose.ts'
import type { FreePort } from '../../parse/publish.ts'
import { listNamespaces, listRecords, recordPaths } from '../record.ts'

/** How long others may take that look for ports, too, milliseconds. */
const patienceMs = 30_000

/**
 * Finds a port for each of `wanted` and calls `note`, which writes them into the container's record; no other command looks for ports
 * meanwhile, and those of all records are taken, also of containers that do not run. They stay the container's until it is removed.
 *
 * @throws KataError NETWORK_PORTS_TAKEN, NETWORK_PORTS_BUSY; the reason of `signal`, which ends the wait; what `note` throws.
 */
export async function takePorts<T>(
  stateDir: string,
  wanted: readonly FreePort[],
  beside: readonly PublishedPort[],
  note: (ports: readonly PublishedPort[]) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const directory = `${stateDir}/containers`
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const find = async () => {
    const others = [...portsOfRecords(stateDir), ...beside]
    return note(await findPorts(wanted, others))
  }
  const noted = await makeUnderDirectoryLock(directory, patienceMs, find, signal)
  if (typeof noted === 'string') throw new KataError('NETWORK_PORTS_BUSY', {})
  return noted.value
}

/** The ports of the host that lead to a container. What cannot be read has none; `kata-ts port` tells why. */
export function publishedPorts(bundle: string): NetworkWishes['ports'] {
  try {
    return readNetworkWishes(bundle)?.ports ?? []
  } catch {
    return []
  }
}

function portsOfRecords(stateDir: string): PublishedPort[] {
  return listNamespaces(stateDir).flatMap((namespace) =>
    listRecords(stateDir, namespace).flatMap((id) =>
      publishedPorts(recordPaths(stateDir, namespace, id).bundle),
    ),
  )
}

/**
 * Ports that the kernel gave away stay open until all are found: it gives none of them twice. Nor does it give one that only root may listen on:
 * ip_local_port_range cannot begin below ip_unprivileged_port_start.
 */
async function findPorts(
  wanted: readonly FreePort[],
  others: readonly PublishedPort[],
): Promise<PublishedPort[]> {
  const taken = new Set(others.map(({ host, protocol }) => `${host}/${protocol}`))
  using opened = new DisposableStack()
  const found: PublishedPort[] = []
  for (const port of wanted) {
    let host: number
    do {
      host = await openPort(port, opened)
    } while (taken.has(`${host}/${port.protocol}`))
    taken.add(`${host}/${port.protocol}`)
    found.push({ ...port, host })
  }
  return found
}

async function openPort(port: FreePort, opened: DisposableStack): Promise<number> {
  // The one of IPv6 is a listener for both families.
  const { address: hostname = hasIpv6Route() ? '::' : '0.0.0.0', protocol } = port
  try {
    if (protocol === 'udp') {
      const socket = await Bun.udpSocket({ hostname, port: 0 })
      opened.defer(() => socket.close())
      return socket.port
    }
    const listener = Bun.listen({ hostname, port: 0, socket: { data() {} } })
    opened.defer(() => listener.stop(true))
    return listener.port
  } catch (cause) {
    const reason = describeError(cause)
    throw new KataError('NETWORK_PORTS_TAKEN', { port: portName(port), reason }, { cause })
  }
}
