import { expect, test } from 'bun:test'
import { createLogger, silentLogger } from '../log.ts'
import { concat, cstring, structure, uint32 } from '../netlink/bytes.ts'
import { NetlinkClient } from '../netlink/client.ts'
import { parseIp, parseMac } from '../netlink/ip.ts'
import { attribute, encodeMessage, messageType, parseMessages } from '../netlink/message.ts'
import { scanNetwork } from './scan.ts'

const [getLink, getAddress, getRoute, getNeighbour, getRule] = [18, 22, 26, 30, 34]
const EOPNOTSUPP = 95

/** A kernel that answers each kind of list with these bodies, or with an errno; an empty list otherwise. */
function kernel(answers: Readonly<Record<number, readonly Uint8Array[] | number>>): NetlinkClient {
  let answer: Uint8Array
  return new NetlinkClient({
    send(request) {
      const { type, sequence } = parseMessages(request)[0]!
      const found = answers[type] ?? []
      const message = (of: number, body: Uint8Array) => encodeMessage({ type: of, flags: 0, sequence, body })
      answer =
        typeof found === 'number'
          ? message(
              messageType.error,
              structure(20, (to) => to.setInt32(0, -found, true)),
            )
          : concat([...found.map((body) => message(0, body)), message(messageType.done, uint32(0))])
    },
    receive: () => answer,
  })
}

const link = (
  index: number,
  {
    name = 'eth0',
    mac = '02:00:00:00:00:01',
    kind = 'veth',
    on = 0,
    namespace = -1,
    up = false,
    master = 0,
  } = {},
) =>
  concat([
    structure(16, (to) => {
      to.setInt32(4, index, true)
      to.setUint32(8, up ? 1 : 0, true)
    }),
    attribute(3, cstring(name)),
    attribute(1, parseMac(mac)!),
    attribute(4, uint32(1500)),
    attribute(18, attribute(1, cstring(kind))),
    ...(on === 0 ? [] : [attribute(5, uint32(on))]),
    ...(master === 0 ? [] : [attribute(10, uint32(master))]),
    ...(namespace < 0 ? [] : [attribute(37, uint32(namespace))]),
  ])
const address = (index: number, text: string) =>
  concat([
    structure(8, (to) => {
      to.setUint8(0, 2)
      to.setUint8(1, 24)
      to.setUint32(4, index, true)
    }),
    attribute(2, parseIp(text)!),
  ])
const plain = { [getLink]: [link(2)], [getAddress]: [address(2, '10.1.0.2')] }

test('a pod has what its namespace has', () => {
  const { interfaces } = scanNetwork(kernel({ ...plain, [getRoute]: [], [getNeighbour]: [] }), silentLogger)
  expect(interfaces.map(({ name, mac, mtu, kind }) => [name, mac, mtu, kind])).toEqual([
    ['eth0', '02:00:00:00:00:01', 1500, 'veth'],
  ])
})

test('an interface without a hardware address of its own is none that a card can stand for', () => {
  const netkit = link(2, { mac: '00:00:00:00:00:00', kind: 'netkit' })
  expect(() => scanNetwork(kernel({ ...plain, [getLink]: [netkit] }), silentLogger)).toThrow(
    '[NETWORK_INTERFACE_UNSUPPORTED] interface eth0 of the pod is of kind netkit',
  )
})

test('metrics of a route that the guest does not get are named', () => {
  const said = (metrics: Readonly<Record<number, number>>) => {
    const lines: string[] = []
    const body = concat([
      structure(12, (to) => {
        to.setUint8(0, 2)
        to.setUint8(4, 254)
        to.setUint8(7, 1)
      }),
      attribute(4, uint32(2)),
      attribute(8, ...Object.entries(metrics).map(([type, value]) => attribute(Number(type), uint32(value)))),
    ])
    const { routes } = scanNetwork(
      kernel({ ...plain, [getRoute]: [body] }),
      createLogger({ level: 'warn', sink: (line) => void lines.push(String(line.fields?.routes)) }),
    )
    expect(routes).toHaveLength(1)
    return lines
  }
  const [lock, mtu, advmss, hopLimit, unknown] = [1, 2, 8, 10, 99]
  expect(said({ [lock]: 4, [mtu]: 1400, [advmss]: 1360, [unknown]: 1 })).toEqual([
    'default (without its lock, advmss, metric 99)',
  ])
  expect(said({ [hopLimit]: 3 })).toEqual(['default (without its hoplimit)'])
  // As the kernel takes it from a router's announcement.
  expect(said({ [mtu]: 1400, [hopLimit]: 64 })).toEqual([])
})

test('an interface that is up and has no address is named: the guest does not have it', () => {
  const said = (...others: readonly Uint8Array[]) => {
    const lines: string[] = []
    const { interfaces } = scanNetwork(
      kernel({ ...plain, [getLink]: [link(2, { on: 3, up: true }), ...others] }),
      createLogger({ level: 'warn', sink: (line) => void lines.push(String(line.fields.interfaces)) }),
    )
    expect(interfaces).toHaveLength(1)
    return lines
  }
  expect(said(link(5, { name: 'net1', up: true }), link(6, { name: 'net2', up: true }))).toEqual([
    'net1, net2',
  ])
  // Down, as the kernel makes base devices of tunnels; of a program, as our own; below another one, and a port of a bridge.
  expect(
    said(
      link(4, { name: 'tunl0', kind: 'ipip' }),
      link(5, { name: 'tap2_kata', kind: 'tun', up: true }),
      link(3, { name: 'ens1', kind: '', up: true }),
      link(7, { name: 'port', up: true, master: 2 }),
    ),
  ).toEqual([])
})

test('a kernel that has no rules of routing has none', () => {
  const { interfaces } = scanNetwork(kernel({ ...plain, [getRule]: EOPNOTSUPP }), silentLogger)
  expect(interfaces).toHaveLength(1)
})

test('what lies on another interface of the pod receives nothing, and that is said', () => {
  const mac = '02:00:00:00:00:02'
  const said = (net1: Uint8Array, others: readonly Uint8Array[] = []) => {
    const lines: string[] = []
    const [links, addresses] = [
      [link(2), net1],
      [address(2, '10.1.0.2'), address(3, '10.2.0.2')],
    ]
    scanNetwork(
      kernel({ [getLink]: [...links, ...others], [getAddress]: addresses }),
      createLogger({ level: 'warn', sink: (line) => void lines.push(JSON.stringify(line.fields)) }),
    )
    return lines.join()
  }
  const macvlan = { name: 'net1', mac, kind: 'macvlan' }
  expect(said(link(3, { ...macvlan, on: 2 }))).toContain('net1 on eth0')
  // On one of the host's, of that number there; and on one that nothing is redirected from.
  expect(said(link(3, { ...macvlan, on: 2, namespace: 0 }))).toBe('')
  expect(said(link(3, { ...macvlan, on: 4 }), [link(4, { name: 'ens1', mac: '02:00:00:00:00:04' })])).toBe('')
})
