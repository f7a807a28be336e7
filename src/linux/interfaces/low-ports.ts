/** Which ports of this network namespace only root may listen on. */
import { readFileSync } from 'node:fs'

/** The first one that others may have, of TCP and UDP and of both families. */
export const firstOpenPort = (): number =>
  Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'))
