/** Kernel modules that a guest loads when a container needs them, and those that it refuses. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { Kata } from './harness/kata.ts'

let kata: Kata
beforeAll(() => {
  kata = new Kata()
})
afterAll(() => kata.close())

const admin = ['--cap-add', 'NET_ADMIN']
const script = (text: string, flags: readonly string[] = admin) => kata.run(['sh', '-c', text], { flags })
/** First words of lines: names in /proc/modules. */
const firstWords = (text: string): string[] => text.split('\n').map((line) => line.split(' ')[0]!)

describe('a container with CAP_NET_ADMIN', () => {
  test.each([
    ['bridge', 'bridge'],
    ['veth', 'veth'],
    ['wireguard', 'wireguard'],
    ['dummy', 'dummy'],
    ['ifb', 'ifb'],
    ['bond', 'bonding'],
  ])('makes an interface of type %s, whose driver comes by that', async (type, module) => {
    const { stdout, stderr } = await script(
      `ip link add ours type ${type} && ls /sys/class/net && cat /proc/modules`,
    )
    expect(stderr).toBe('')
    expect(firstWords(stdout)).toEqual(expect.arrayContaining(['ours', module]))
  })

  // These need more than a type to be made, which busybox cannot say.
  test.each(['macvlan', 'vxlan', 'ipip', 'ip6tnl', 'geneve', 'ipvlan', 'vrf'])(
    'gets the driver of %s interfaces by asking for one',
    async (type) => {
      const { stdout } = await script(`ip link add ours type ${type} 2>/dev/null; cat /proc/modules`)
      expect(firstWords(stdout)).toContain({ ip6tnl: 'ip6_tunnel' }[type as 'ip6tnl'] ?? type)
    },
  )
})
