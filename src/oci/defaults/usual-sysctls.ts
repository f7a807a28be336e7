/**
 * As docker and containerd have them: somebody who is not root listens on any port of the container or pod, and sends pings without a
 * capability. Its network is its own.
 */
export const usualSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
}
